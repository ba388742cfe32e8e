// models/SessionFile.cpp — see SessionFile.h.
#include "models/SessionFile.h"

#include "compiler/base/Checked.h"
#include "compiler/base/LineSum.h"
#include "compiler/base/Text.h"
#include "models/KvTypes.h"
#include "models/files/AtomicFile.h"
#include "models/files/MappedFile.h"

#include <algorithm>
#include <cstring>
#include <fmt/format.h>

namespace quern {

namespace {

constexpr std::string_view kForm = "quern-session 1";
constexpr size_t kHeadBytes = size_t{1} << 16;  ///< at most: a line of 60 bytes for each buffer of a cache of hundreds of layers

std::string sumOf(std::span<const std::byte> bytes) { return sumText(lineSum(bytes.data(), bytes.size())); }

/// What a cache belongs to, a line each.
struct Identity {
  std::string model, weights, computed;
};

std::string_view kvName(const Session& session) {
  for (const KvType& each : kvTypes())
    if (each.type == session.model().kvType()) return each.name;
  return "?";
}

Identity identityOf(const Session& session) {
  const ModelSource& source = session.model().source();
  const ModelConfig& sizes = session.config();
  Identity out;
  out.model = fmt::format("{} vocab={} width={} layers={} heads={} kv_heads={} head={} hidden={}", sizes.architecture, sizes.vocab,
                          sizes.width, sizes.layers, sizes.heads, sizes.keyHeads(), sizes.headDim(), sizes.hidden);
  if (sizes.ownSizes()) {
    std::string all;
    for (int64_t i = 0; i < sizes.layers; ++i) {
      LayerConfig own = sizes.layer(i);
      all += fmt::format("{} {} {}\n", own.heads, own.kvHeads, own.hidden);
    }
    out.model += fmt::format(" layer_sizes={}", sumOf(std::as_bytes(std::span(all))));
  }
  std::string sum = sumText(source.weights.sampleSum());
  out.weights = source.packed == nullptr ? sum : sum + source.packed->headSum();
  out.computed = fmt::format("kv={} compute={} order={}", kvName(session), nameOf(source.compute),
                             source.order == PairOrder::Pairs ? "pairs" : "tile32");
  return out;
}

/// Lines of a head, and where the first bytes behind it are.
class Head {
public:
  Head(const MappedFile& file) : file_(file), rest_(file.text().substr(0, kHeadBytes)) {}

  Error bad(const std::string& why) const { return badInput(fmt::format("{}: {}", escaped(file_.path()), why)); }
  /// What stands behind "NAME " in the next line. Errors: BadInput: it begins otherwise.
  Result<std::string> line(std::string_view name) {
    size_t end = rest_.find('\n');
    std::string_view all = rest_.substr(0, std::min(end, rest_.size()));
    bool good = end != std::string_view::npos && all.starts_with(name) && (all.size() == name.size() || all[name.size()] == ' ');
    if (!good)
      return bad(fmt::format("line {} is '{}', '{}' is needed: no saved session, or a damaged one", ++line_, escapedShort(all), name));
    ++line_;
    rest_.remove_prefix(end + 1);
    return std::string(all.size() == name.size() ? "" : all.substr(name.size() + 1));
  }
  Result<int64_t> count(std::string_view name, int64_t most) {
    auto text = line(name);
    if (!text) return text.error();
    auto number = parseInt(*text);
    if (!number || *number < 0 || *number > most)
      return bad(fmt::format("line {}: {} is '{}', 0 to {} can be", line_, name, escapedShort(*text), most));
    return *number;
  }
  size_t done() const { return static_cast<size_t>(rest_.data() - file_.text().data()); }

private:
  const MappedFile& file_;
  std::string_view rest_;
  int line_ = 0;
};

std::string headOf(const Identity& identity, const SavedSession& saved, std::span<const std::span<std::byte>> rows) {
  std::string head = fmt::format("{}\nmodel {}\nweights {}\ncomputed {}\nids {}\nnote {}\n", kForm, identity.model, identity.weights,
                                 identity.computed, saved.ids.size(), saved.note.size());
  for (std::span<const std::byte> each : rows) head += fmt::format("rows {} {}\n", each.size(), sumOf(each));
  head += fmt::format("sums {} {}\n", sumOf(std::as_bytes(std::span(saved.ids))), sumOf(std::as_bytes(std::span(saved.note))));
  return head + fmt::format("head {}\nend\n", sumOf(std::as_bytes(std::span(head))));
}

}  // namespace

Result<void> saveSession(const std::string& path, Session& session, const SavedSession& saved) {
  auto count = static_cast<int64_t>(saved.ids.size());
  if (count > session.context())
    return badInput(fmt::format("{}: {} tokens do not fit in a context of {}", escaped(path), count, session.context()));
  if (!session.keeps(count))
    return badInput(fmt::format("{}: what the cache had of position {} is overwritten in layers with windows", escaped(path), count));
  std::vector<std::span<std::byte>> rows = session.cached(count);
  auto file = AtomicFile::create(path);
  if (!file) return file.error();
  if (auto good = file->write(headOf(identityOf(session), saved, rows)); !good) return good;
  if (auto good = file->write(std::as_bytes(std::span(saved.ids))); !good) return good;
  if (auto good = file->write(std::string_view(saved.note)); !good) return good;
  for (std::span<const std::byte> each : rows)
    if (auto good = file->write(each); !good) return good;
  return file->commit();
}

Result<SavedSession> loadSession(const std::string& path, Session& session) {
  auto file = MappedFile::open(path);
  if (!file) return file.error();
  Head head(*file);
  auto form = head.line(kForm);
  if (!form) return form.error();
  const Identity own = identityOf(session);
  for (auto [name, wanted, what] : {std::tuple{"model", &own.model, "of another model"},
                                    {"weights", &own.weights, "of the same model with other weights"},
                                    {"computed", &own.computed, "computed otherwise"}}) {
    auto given = head.line(name);
    if (!given) return given.error();
    if (*given != *wanted) return head.bad(fmt::format("is a session {}: {}, here it is {}", what, escapedShort(*given), *wanted));
  }
  auto ids = head.count("ids", session.context());
  if (!ids) return ids.error();
  auto note = head.count("note", file->bytes());
  if (!note) return note.error();
  std::vector<std::span<std::byte>> rows = session.cached(*ids);
  std::vector<std::string> sums;
  for (std::span<const std::byte> each : rows) {
    auto given = head.line("rows");
    if (!given) return given.error();
    std::string size = fmt::format("{} ", each.size());
    if (!given->starts_with(size))
      return head.bad(fmt::format("a buffer of the cache has '{}' bytes, {} are needed", escapedShort(*given), each.size()));
    sums.push_back(given->substr(size.size()));
  }
  auto both = head.line("sums");
  if (!both) return both.error();
  std::string before = sumOf(std::as_bytes(std::span(file->text().substr(0, head.done()))));
  auto sum = head.line("head"), end = head.line("end");
  if (!sum) return sum.error();
  if (!end) return end.error();
  if (*sum != before) return head.bad("its head is damaged: its sum differs");
  // Sizes are those of this session, so their sum is no overflow but for what the note says, which is at most the file's size.
  auto at = static_cast<int64_t>(head.done()), bytes = at + *ids * 4 + *note;
  for (std::span<const std::byte> each : rows) bytes += static_cast<int64_t>(each.size());
  if (bytes != file->bytes()) return head.bad(fmt::format("has {} bytes, {} are needed", file->bytes(), bytes));
  auto take = [&](int64_t count) {
    std::span<const std::byte> part(file->data() + at, static_cast<size_t>(count));
    at += count;
    return part;
  };
  std::span<const std::byte> idBytes = take(*ids * 4), noteBytes = take(*note);
  if (*both != sumOf(idBytes) + " " + sumOf(noteBytes)) return head.bad("its ids or its note are damaged: their sums differ");
  std::vector<std::span<const std::byte>> parts;
  for (size_t i = 0; i < rows.size(); ++i) {
    parts.push_back(take(static_cast<int64_t>(rows[i].size())));
    if (sumOf(parts[i]) != sums[i])
      return head.bad(fmt::format("buffer {} of {} of the cache is damaged: its sum differs", i + 1, rows.size()));
  }
  SavedSession saved;
  saved.ids.resize(static_cast<size_t>(*ids));
  if (!idBytes.empty()) std::memcpy(saved.ids.data(), idBytes.data(), idBytes.size());
  for (int32_t id : saved.ids)
    if (id < 0 || id >= session.config().vocab)
      return head.bad(fmt::format("token {} is outside the vocabulary of {}", id, session.config().vocab));
  saved.note.assign(reinterpret_cast<const char*>(noteBytes.data()), noteBytes.size());
  if (auto good = file->checkUnchanged(); !good) return good.error();
  for (size_t i = 0; i < rows.size(); ++i) std::memcpy(rows[i].data(), parts[i].data(), parts[i].size());
  session.resumed(*ids);
  return saved;
}

}  // namespace quern
