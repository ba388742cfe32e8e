// compiler/store/Bundle.cpp — see Bundle.h.
#include "compiler/store/Bundle.h"

#include "compiler/Fingerprint.h"
#include "compiler/base/Log.h"
#include "compiler/base/Sha256.h"
#include "compiler/base/Text.h"
#include "compiler/base/Toml.h"
#include "compiler/target/Contract.h"

#include <algorithm>
#include <cctype>
#include <cmath>
#include <fmt/format.h>
#include <set>

namespace quern {

static constexpr int64_t kFormat = 4, kMostBytes = int64_t{1} << 26;

const BundleKernel* BundleManifest::kernel(std::string_view symbol) const {
  auto found = std::find_if(kernels.begin(), kernels.end(), [&](const BundleKernel& one) { return one.symbol == symbol; });
  return found == kernels.end() ? nullptr : &*found;
}

std::vector<std::string> BundleManifest::lackingFor(const BundleCpu& cpu, const Target& here) const {
  std::set<std::string> contracts, lacking;
  for (const BundleSet& each : sets) {
    if (std::find(each.cpus.begin(), each.cpus.end(), cpu.name) == each.cpus.end()) continue;
    contracts.insert(kernel(each.wide)->info.contract);
    for (const auto& [most, symbol] : each.sized) contracts.insert(kernel(symbol)->info.contract);
  }
  for (const std::string& each : contracts) {
    auto contract = parseContract(each);
    if (!contract) return {each};
    for (std::string& feature : contract->lackingOn(here)) lacking.insert(std::move(feature));
  }
  return {lacking.begin(), lacking.end()};
}

const BundleCpu* BundleManifest::cpuFor(const Target& here) const {
  const BundleCpu* best = nullptr;
  auto rank = [](const BundleCpu& cpu) { return std::pair(cpu.target.isa().vectorBits, cpu.target.allFeatures().size()); };
  for (const BundleCpu& cpu : cpus)
    if (lackingFor(cpu, here).empty() && (best == nullptr || rank(cpu) > rank(*best))) best = &cpu;
  return best;
}

static bool isFor(const BundleSet& set, std::string_view cpu) { return std::find(set.cpus.begin(), set.cpus.end(), cpu) != set.cpus.end(); }

const BundleSet* BundleManifest::set(std::string_view op, std::string_view cpu) const {
  for (const BundleSet& each : sets)
    if (each.op == op && isFor(each, cpu)) return &each;
  return nullptr;
}

std::string BundleManifest::alikeText(std::string_view op, std::string_view cpu) const {
  constexpr size_t kMost = 3;
  std::vector<std::string> alike;
  std::string_view family = op.substr(0, op.find(' '));
  for (const BundleSet& each : sets)
    if (isFor(each, cpu) && each.op.substr(0, each.op.find(' ')) == family) alike.push_back(escapedShort(each.op));
  if (alike.empty()) return "";
  bool more = alike.size() > kMost;
  alike.resize(std::min(alike.size(), kMost));
  return "; it has " + join(alike, ", ") + (more ? ", ..." : "");
}

static std::string quotedList(const std::vector<std::string>& words) {
  std::string out;
  for (const std::string& word : words) out += fmt::format("{}{}", out.empty() ? "" : ", ", tomlQuoted(word));
  return "[" + out + "]";
}

std::string text(const BundleManifest& manifest) {
  std::string out = fmt::format(
      "{}: every kernel of the bundle, and which of them run an op.\nformat = {}\nabi = {}  # how they are called: quern_args.h\n",
      kManifestStart, kFormat, tomlQuoted(kAbiFingerprint));
  if (!manifest.description.path.empty())
    out += fmt::format("model = {}  # all of it but packed weights\nmodel_sum = {}\n", tomlQuoted(manifest.description.path),
                       tomlQuoted(manifest.description.sum));
  for (const BundleCpu& cpu : manifest.cpus) {
    out += fmt::format("\n[[cpu]]\nname = {}\ntarget = {}\n", tomlQuoted(cpu.name), tomlQuoted(text(cpu.target)));
    if (cpu.arithmetic)
      out += fmt::format("compute = {}  # of the model\norder = {}\nkv = {}\n", tomlQuoted(cpu.arithmetic->compute),
                         tomlQuoted(cpu.arithmetic->order), tomlQuoted(cpu.arithmetic->kv));
    if (!cpu.weights.path.empty())
      out += fmt::format("weights = {}\nweights_sum = {}\n", tomlQuoted(cpu.weights.path), tomlQuoted(cpu.weights.sum));
  }
  for (const BundleKernel& kernel : manifest.kernels)
    out += fmt::format("\n[[kernel]]\nsymbol = {}\nop = {}\nschedule = {}\ncontract = {}\nobject = {}\nsha256 = {}\ninfo = {}\n",
                       tomlQuoted(kernel.symbol), tomlQuoted(kernel.info.op), tomlQuoted(kernel.info.schedule),
                       tomlQuoted(kernel.info.contract), tomlQuoted(kernel.symbol + ".o"), tomlQuoted(kernel.hash),
                       tomlQuoted(text(kernel.info)));
  for (const BundleSet& set : manifest.sets) {
    out += fmt::format("\n[[set]]\nsymbol = {}\nop = {}\ncontract = {}\ncpus = {}\nwide = {}\n", tomlQuoted(set.symbol), tomlQuoted(set.op),
                       tomlQuoted(set.contract), quotedList(set.cpus), tomlQuoted(set.wide));
    std::string rows, keys, symbols;
    for (const auto& [most, symbol] : set.sized) {
      std::string_view comma = symbols.empty() ? "" : ", ";
      rows += fmt::format("{}{}", comma, most.rows);
      keys += fmt::format("{}{}", comma, most.keys);
      symbols += fmt::format("{}{}", comma, tomlQuoted(symbol));
    }
    if (set.sized.empty()) continue;
    out += fmt::format("row_dim = {}\nkey_dim = {}\n", tomlQuoted(set.dims.rows), tomlQuoted(set.dims.keys));
    out +=
        fmt::format("rows = [{}]  # at most so many, for each of `sized`; 0: any number\nkeys = [{}]\nsized = [{}]\n", rows, keys, symbols);
  }
  return out;
}

/// A name, or names with / between, that do not lead out of the folder they are in.
static bool plainPath(const std::string& path) {
  for (const std::string& name : split(path, '/'))
    if (name == ".." || name == "." || (name.empty() && !path.empty())) return false;
  return true;
}

/// `key` and `key`_sum: both, or none.
static BundleFile takeFile(TomlReader& reader, const std::string& key) {
  BundleFile file{reader.takeString(key).value_or(""), ""};
  if (!plainPath(file.path)) reader.fail(reader.table().find(key), "is no path within the bundle");
  if (!file.path.empty()) file.sum = reader.needString(key + "_sum");
  return file;
}

static BundleCpu takeCpu(TomlReader& reader) {
  BundleCpu cpu;
  cpu.name = reader.needString("name");
  auto target = parseTarget(reader.needString("target"));
  if (target) cpu.target = std::move(*target);
  else reader.fail(reader.table().find("target"), target.error().message);
  cpu.weights = takeFile(reader, "weights");
  if (reader.table().find("compute") != nullptr)
    cpu.arithmetic = BundleArithmetic{reader.needString("compute"), reader.needString("order"), reader.needString("kv")};
  return cpu;
}

static BundleKernel takeKernel(TomlReader& reader) {
  BundleKernel kernel;
  kernel.symbol = reader.needString("symbol");
  kernel.hash = reader.needString("sha256");
  auto info = parseKernelInfo(reader.needString("info"));
  if (info) kernel.info = std::move(*info);
  else reader.fail(nullptr, info.error().message);
  std::string object = reader.needString("object");
  bool plain = std::all_of(kernel.symbol.begin(), kernel.symbol.end(), [](unsigned char c) { return std::isalnum(c) != 0 || c == '_'; });
  if (!plain) reader.fail(reader.table().find("symbol"), "symbol is not the name of a C function");
  if (object != kernel.symbol + ".o") reader.fail(reader.table().find("object"), "is not the symbol with .o behind it");
  for (const char* key : {"op", "schedule", "contract"}) {  // for readers; `info` says the same
    const std::string& same = key == std::string_view("op")         ? kernel.info.op
                              : key == std::string_view("schedule") ? kernel.info.schedule
                                                                    : kernel.info.contract;
    if (reader.needString(key) != same) reader.fail(reader.table().find(key), fmt::format("{} is not what info says", key));
  }
  return kernel;
}

/// `rows` and `keys`, for each of the symbols one.
static void takeBounds(TomlReader& reader, const std::vector<std::string>& symbols, BundleSet& set) {
  std::vector<double> rows = reader.takeNumbers("rows"), keys = reader.takeNumbers("keys");
  for (auto [key, count] : {std::pair{"rows", rows.size()}, {"keys", keys.size()}})
    if (count != symbols.size()) reader.fail(reader.table().find(key), fmt::format("{} and sized have different lengths", key));
  auto counts = [](double value) { return value >= 0 && value < 1e9 && value == std::floor(value); };
  for (size_t i = 0; i < std::min({rows.size(), keys.size(), symbols.size()}); ++i) {
    if (!counts(rows[i]) || !counts(keys[i])) return reader.fail(reader.table().find("rows"), "rows and keys: whole numbers are needed");
    SizeBound most{static_cast<int64_t>(rows[i]), static_cast<int64_t>(keys[i])};
    bool ascends = !most.any() && (set.sized.empty() || most > set.sized.back().first);
    if (!ascends)
      return reader.fail(reader.table().find("rows"), "rows and keys: bounds that ascend are needed, 0 for any number behind the others");
    set.sized.emplace_back(most, symbols[i]);
  }
}

static BundleSet takeSet(TomlReader& reader, const BundleManifest& manifest) {
  BundleSet set;
  set.symbol = reader.needString("symbol");
  set.op = reader.needString("op");
  set.contract = reader.needString("contract");
  set.cpus = reader.takeStrings("cpus");
  for (const std::string& name : set.cpus)
    if (std::none_of(manifest.cpus.begin(), manifest.cpus.end(), [&](const BundleCpu& cpu) { return cpu.name == name; }))
      reader.fail(reader.table().find("cpus"), fmt::format("'{}' is no cpu of the bundle", escaped(name)));
  set.wide = reader.needString("wide");
  std::vector<std::string> symbols = reader.takeStrings("sized");
  takeBounds(reader, symbols, set);
  for (auto [key, name] : {std::pair{"row_dim", &set.dims.rows}, {"key_dim", &set.dims.keys}}) {
    std::optional<std::string> given = reader.takeString(key);
    if (given.has_value() == symbols.empty()) reader.fail(nullptr, fmt::format("{} belongs to sized: both or none", key));
    const BundleKernel* wide = manifest.kernel(set.wide);
    if (!given || given->empty() || wide == nullptr) continue;
    const std::vector<std::string>& dims = wide->info.dims;
    if (std::find(dims.begin(), dims.end(), *given) == dims.end())
      reader.fail(reader.table().find(key), fmt::format("'{}' is no dim of the kernel", escaped(*given)));
    *name = *given;
  }
  bool known = manifest.kernel(set.wide) != nullptr;
  for (const auto& [most, symbol] : set.sized)
    if (known && ((most.rows > 0 && set.dims.rows.empty()) || (most.keys > 0 && set.dims.keys.empty())))
      reader.fail(reader.table().find("sized"), fmt::format("{}: a bound on a dim that is not named", text(most)));
  symbols.push_back(set.wide);
  for (const std::string& symbol : symbols) {
    const BundleKernel* kernel = manifest.kernel(symbol);
    if (kernel == nullptr) reader.fail(nullptr, fmt::format("kernel '{}' is not in the manifest", escaped(symbol)));
    else if (kernel->info.op != set.op) reader.fail(nullptr, fmt::format("kernel '{}' is of another op", escaped(symbol)));
  }
  return set;
}

Result<BundleManifest> parseManifest(std::string_view given, const std::string& file) {
  auto root = parseToml(given, file);
  if (!root) return root.error();
  TomlReader reader(*root, file);
  int64_t format = reader.takeInt("format", std::nullopt, 0, 1 << 20);
  if (format != kFormat) {
    reader.fail(root->find("format"), fmt::format("a bundle of format {}; this program reads {}: emit it again", format, kFormat));
    return reader.finish().error();
  }
  if (reader.needString("abi") != kAbiFingerprint) reader.fail(root->find("abi"), "its kernels are called in another way: emit it again");
  BundleManifest manifest;
  manifest.description = takeFile(reader, "model");
  for (const TomlValue* table : reader.takeTables("cpu")) {
    TomlReader each(*table, file);
    manifest.cpus.push_back(takeCpu(each));
    if (auto good = each.finish(); !good) return good.error();
  }
  for (const TomlValue* table : reader.takeTables("kernel")) {
    TomlReader each(*table, file);
    manifest.kernels.push_back(takeKernel(each));
    if (auto good = each.finish(); !good) return good.error();
  }
  for (const TomlValue* table : reader.takeTables("set")) {
    TomlReader each(*table, file);
    manifest.sets.push_back(takeSet(each, manifest));
    if (auto good = each.finish(); !good) return good.error();
  }
  if (auto good = reader.finish(); !good) return good.error();
  return manifest;
}

Result<Bundle> Bundle::open(const std::string& directory, InfoOf infoOf) {
  auto folder = TrustedFolder::open(directory);
  if (!folder) return folder.error();
  auto bytes = *folder ? (*folder)->read("manifest.toml", kMostBytes) : Result<std::optional<std::string>>(std::nullopt);
  if (!bytes) return bytes.error();
  if (!*bytes) return badInput(fmt::format("{}: no bundle: it has no manifest.toml; quern emit ... -o writes one", escaped(directory)));
  auto manifest = parseManifest(**bytes, directory + "/manifest.toml");
  if (!manifest) return manifest.error();
  return Bundle(std::move(**folder), std::move(*manifest), std::move(infoOf));
}

BundledModel Bundle::modelFor(const BundleCpu& cpu) const {
  BundledModel model{manifest_.description, cpu.weights};
  for (BundleFile* file : {&model.description, &model.weights})
    if (!file->path.empty()) file->path = path() + "/" + file->path;
  return model;
}

std::string Bundle::pathOf(const BundleKernel& kernel) const { return fmt::format("{}/{}.o", folder_.path(), kernel.symbol); }

Result<KernelRef> Bundle::load(const BundleKernel& kernel) {
  std::string path = pathOf(kernel);
  auto object = folder_.read(kernel.symbol + ".o", kMostBytes);
  if (!object) return object.error();
  if (!*object) return badInput(fmt::format("{}: is not there, though the manifest names it", path));
  auto hash = sha256(**object);
  if (!hash) return hash.error();
  if (*hash != kernel.hash) return badInput(fmt::format("{}: is not the object that the manifest names: its SHA-256 differs", path));
  KernelArtifact artifact;
  artifact.info = kernel.info;
  artifact.object = std::move(**object);
  auto loaded = loadArtifact(artifact, "bundle");
  return loaded ? loaded : Error{loaded.error().code, path + ": " + loaded.error().message};
}

Result<const BundleCpu*> Bundle::cpuFor(const Target& here) const {
  if (const BundleCpu* cpu = manifest_.cpuFor(here)) return cpu;
  std::string lacking;
  for (const BundleCpu& cpu : manifest_.cpus)
    lacking +=
        fmt::format("{}{} needs {}", lacking.empty() ? "" : "; ", escapedShort(cpu.name), join(manifest_.lackingFor(cpu, here), " "));
  return machineLacks(fmt::format("{}: has no kernels that this CPU ({}) runs: of it what is for {}", folder_.path(), here.name, lacking));
}

Result<KernelSet> Bundle::kernels(const OpDesc& op, const BundleCpu& cpu) {
  const BundleSet* set = manifest_.set(text(op), cpu.name);
  if (set == nullptr)
    return badInput(fmt::format("{}: has no kernel of {} for {}{}; quern emit makes one", folder_.path(), text(op), cpu.name,
                                manifest_.alikeText(text(op), cpu.name)));
  auto kernelOf = [&](const std::string& symbol) -> Result<KernelRef> {
    KernelRef& known = loaded_[symbol];
    if (known != nullptr) return known;
    auto loaded = load(*manifest_.kernel(symbol));
    if (!loaded) return loaded;
    known = *loaded;
    logLine(LogTopic::Dispatch,
            fmt::format("{} | {} from bundle, for {}", escaped(known->info.op), escaped(known->info.schedule), escaped(cpu.name)));
    return loaded;
  };
  auto wide = kernelOf(set->wide);
  if (!wide) return wide.error();
  KernelSet all(*wide);
  all.from = "bundle";
  all.goBy(set->dims);
  for (const auto& [most, symbol] : set->sized) {
    auto small = kernelOf(symbol);
    if (!small) return small.error();
    all.sized.push_back({most, *small});
  }
  return all;
}

Result<KernelRef> Bundle::find(const KernelRequest& request) {
  const KernelKey& key = request.key;
  for (const BundleKernel& kernel : manifest_.kernels) {
    if (kernel.info.op != key.op || kernel.info.schedule != key.schedule || kernel.info.contract != key.contract) continue;
    auto own = infoOf_(request.op, request.schedule);
    if (!own) return own.error();
    if (*own != kernel.info)
      return badInput(fmt::format("{}: what the manifest says of its arguments is not what this kernel takes", pathOf(kernel)));
    return load(kernel);
  }
  return KernelRef();
}

}  // namespace quern
