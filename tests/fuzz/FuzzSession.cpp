// tests/fuzz/FuzzSession.cpp — any bytes as a saved session of a small model with a window: refused in plain words without a change of the
// session, or what it holds is taken. Built by run. Behind a first byte that is odd, what the file says of model and sums is set right.
#include "compiler/base/LineSum.h"
#include "compiler/base/Text.h"
#include "models/Session.h"
#include "models/SessionFile.h"
#include "tests/fuzz/FuzzFolder.h"
#include "tests/fuzz/FuzzKernels.h"
#include "tests/fuzz/FuzzSupport.h"

#include <fmt/format.h>

using namespace quern;

/// Two layers of heads of 8, one of which sees 20 positions and keeps them in a ring; all weights are zeros.
static std::unique_ptr<Session> smallSession() {
  static const std::vector<float> zeros(16 * 16);
  ModelSource source;
  source.architecture = findArchitecture("llama");
  ModelConfig& c = source.config;
  c.architecture = "llama", c.rotary = true;
  c.vocab = 11, c.context = 900, c.width = 16, c.layers = 2, c.heads = 2, c.kvHeads = 1, c.hidden = 16;
  c.perLayer = {LayerConfig{.window = 20}, LayerConfig{}};
  source.weights = Weights("model");
  for (const char* name : {"token_embd", "output"}) source.weights.add(fmt::format("{}.weight", name), {c.vocab, 16}, zeros);
  source.weights.add("output_norm.weight", {16}, zeros);
  for (int layer = 0; layer < 2; ++layer) {
    auto add = [&](const char* name, std::vector<int64_t> shape) {
      source.weights.add(fmt::format("blk.{}.{}.weight", layer, name), std::move(shape), zeros);
    };
    add("attn_norm", {16}), add("ffn_norm", {16}), add("attn_k", {8, 16}), add("attn_v", {8, 16});
    for (const char* square : {"attn_q", "attn_output", "ffn_gate", "ffn_up", "ffn_down"}) add(square, {16, 16});
  }
  auto session = Session::load(std::move(source), describedKernel, {.chunk = 8, .threads = 1});
  QUERN_CHECK_FOR(static_cast<bool>(session), session.error().message);
  return std::move(*session);
}

static std::string readAll(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

static std::string sumOf(std::string_view bytes) {
  return sumText(lineSum(reinterpret_cast<const std::byte*>(bytes.data()), bytes.size()));
}

/// The lines that say whose session a file is, as this one writes them.
static std::string identityOf(const FuzzFolder& folder, Session& session) {
  std::string path = folder.put("own", "");
  auto saved = saveSession(path, session, {{1, 2, 3}, "note"});
  QUERN_CHECK_FOR(static_cast<bool>(saved), saved.error().message);
  std::string text = readAll(path);
  return text.substr(0, text.find("ids "));
}

/// Of a file that is "ids", "note" and "rows" lines (without sums), "end" and what follows: the whole file.
static std::string setRight(std::string_view rest, const std::string& identity) {
  size_t end = rest.find("end\n");
  std::string_view lines = rest.substr(0, end), body = end == std::string_view::npos ? std::string_view() : rest.substr(end + 4);
  std::string head = identity, sums;
  size_t at = 0;
  auto take = [&](std::string_view number, size_t each) {
    auto count = parseInt(number);
    size_t bytes = count && *count >= 0 && *count <= 1 << 16 ? static_cast<size_t>(*count) * each : 0;
    std::string sum = sumOf(body.substr(std::min(at, body.size()), bytes));
    at += bytes;
    return sum;
  };
  for (const std::string& line : split(lines, '\n')) {
    std::string_view said = line;
    if (said.starts_with("ids ")) sums = take(said.substr(4), 4);
    if (said.starts_with("note ")) sums += " " + take(said.substr(5), 1);
    if (said.starts_with("rows ")) head += line + " " + take(said.substr(5), 1) + "\n";
    else if (!line.empty()) head += line + "\n";
  }
  head += "sums " + sums + "\n";
  return head + "head " + sumOf(head) + "\nend\n" + std::string(body);
}

/// All that the caches hold of the positions that every ring has.
static std::string cacheOf(Session& session) {
  std::string all;
  for (std::span<std::byte> each : session.cached(session.context())) all.append(reinterpret_cast<const char*>(each.data()), each.size());
  return all;
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const FuzzFolder folder;
  static const std::unique_ptr<Session> session = smallSession();
  static const std::string identity = identityOf(folder, *session);
  std::string_view bytes(reinterpret_cast<const char*>(data), size);
  bool right = !bytes.empty() && (bytes[0] & 1) != 0;
  std::string path = folder.put("s.qs", right ? setRight(bytes.substr(1), identity) : bytes);
  std::string before = cacheOf(*session);
  auto saved = loadSession(path, *session);
  if (!saved) {
    checkMessage(saved.error());
    QUERN_CHECK(cacheOf(*session) == before);
    return 0;
  }
  auto count = static_cast<int64_t>(saved->ids.size());
  QUERN_CHECK(session->keeps(count));
  // Written again it is the same session.
  std::string again = folder.put("again", "");
  auto written = saveSession(again, *session, *saved);
  QUERN_CHECK_FOR(static_cast<bool>(written), written.error().message);
  auto both = loadSession(again, *session);
  QUERN_CHECK(both && both->ids == saved->ids && both->note == saved->note);
  return 0;
}
