// compiler/store/KernelArtifact.cpp — see KernelArtifact.h.
#include "compiler/store/KernelArtifact.h"

#include "compiler/base/ElfObject.h"
#include "compiler/base/Sha256.h"
#include "compiler/base/Text.h"
#include "compiler/Fingerprint.h"
#include "compiler/store/ObjectLoader.h"
#include "compiler/store/KernelNames.h"
#include "compiler/store/TuningRecord.h"
#include "compiler/target/HostTarget.h"

#include <algorithm>
#include <fmt/format.h>

namespace quern {

static constexpr std::string_view kMagic = "quern-kernel 1\n";

KernelKey kernelKey(const OpDesc& op, const Schedule& schedule, const Target& target) {
  KernelKey key = ownKey();
  key.op = text(op), key.schedule = text(schedule), key.contract = text(contractOf(schedule, op, target));
  return key;
}

KernelKey ownKey() { return {{}, {}, {}, kGeneratorFingerprint, kLlvmVersion, kAbiFingerprint}; }

bool isOwn(const KernelKey& key) {
  KernelKey own = ownKey();
  return key.generator == own.generator && key.llvm == own.llvm && key.abi == own.abi;
}

/// Length-prefixed, so that no two lists of fields have the same bytes.
static void addField(std::string& out, std::string_view name, std::string_view value) {
  out += fmt::format("{} {}\n{}\n", name, value.size(), value);
}

std::string text(const KernelKey& key) {
  std::string out;
  addField(out, "op", key.op);
  addField(out, "schedule", key.schedule);
  addField(out, "contract", key.contract);
  addField(out, "generator", key.generator);
  addField(out, "llvm", key.llvm);
  addField(out, "abi", key.abi);
  return out;
}

Result<std::string> hashOf(const KernelKey& key) {
  auto hash = sha256(text(key));
  if (hash) hash->resize(32);
  return hash;
}

static std::string text(const Certificate& c) {
  std::string out = fmt::format("cases={} worst={}", c.cases, shortest(c.worstOverLimit));
  for (auto [key, value] : {std::pair{"as", &c.as}, {"of", &c.of}}) {
    if (!value->empty()) out += fmt::format(" {}=\"{}\"", key, recordValue(*value));
  }
  return out;
}

Result<std::string> serialise(const KernelArtifact& artifact) {
  std::string out(kMagic);
  out += text(artifact.key);
  addField(out, "info", text(artifact.info));
  addField(out, "certificate", text(artifact.certificate));
  addField(out, "provenance", artifact.provenance);
  addField(out, "tuning", artifact.tuning);
  addField(out, "object", artifact.object);
  auto hash = sha256(out);
  if (!hash) return hash;
  return out + *hash;
}

/// Takes "name length\nvalue\n" from the front of `rest`.
static Result<std::string> takeField(std::string_view& rest, std::string_view name) {
  size_t lineEnd = rest.find('\n');
  std::string_view line = rest.substr(0, lineEnd);
  if (lineEnd == std::string_view::npos || !line.starts_with(name) || line.size() <= name.size() + 1 || line[name.size()] != ' ')
    return badInput(fmt::format("kernel file: field '{}' is missing", name));
  auto length = parseInt(line.substr(name.size() + 1));
  rest.remove_prefix(lineEnd + 1);
  if (!length || *length < 0 || static_cast<size_t>(*length) >= rest.size())
    return badInput(fmt::format("kernel file: field '{}' is longer than the file", name));
  std::string value(rest.substr(0, static_cast<size_t>(*length)));
  if (rest[value.size()] != '\n') return badInput(fmt::format("kernel file: field '{}' does not end where it says", name));
  rest.remove_prefix(value.size() + 1);
  return value;
}

static Result<Certificate> parseCertificate(std::string_view given) {
  auto keys = parseKeyValues(given, "kernel file: certificate", false);
  if (!keys) return badInput(keys.error().message);
  KeyReader reader(*keys, "kernel file: certificate");
  Certificate out{reader.takeInt("cases", 0, 0, INT64_MAX), reader.takeDouble("worst", 0), reader.takeOr("as", ""),
                  reader.takeOr("of", "")};
  if (!(out.worstOverLimit >= 0 && out.worstOverLimit <= 1))
    reader.fail(fmt::format("worst={} is no error within its limit", out.worstOverLimit));
  if (auto good = reader.finish(); !good) return badInput(good.error().message);
  return out;
}

Result<KernelArtifact> parseArtifact(std::string_view bytes) {
  if (!bytes.starts_with(kMagic)) return badInput("kernel file: not a quern kernel of format 1");
  if (bytes.size() < kMagic.size() + kSha256Chars) return badInput("kernel file: truncated");
  std::string_view body = bytes.substr(0, bytes.size() - kSha256Chars);
  auto hash = sha256(body);
  if (!hash) return hash.error();
  if (*hash != bytes.substr(body.size())) return badInput("kernel file: its hash does not match: it was damaged or cut short");
  std::string_view rest = body.substr(kMagic.size());
  KernelArtifact out;
  std::string info, certificate;
  const std::pair<const char*, std::string*> fields[] = {{"op", &out.key.op},
                                                         {"schedule", &out.key.schedule},
                                                         {"contract", &out.key.contract},
                                                         {"generator", &out.key.generator},
                                                         {"llvm", &out.key.llvm},
                                                         {"abi", &out.key.abi},
                                                         {"info", &info},
                                                         {"certificate", &certificate},
                                                         {"provenance", &out.provenance},
                                                         {"tuning", &out.tuning},
                                                         {"object", &out.object}};
  for (auto [name, into] : fields) {
    auto value = takeField(rest, name);
    if (!value) return value.error();
    *into = std::move(*value);
  }
  if (!rest.empty()) return badInput("kernel file: bytes after the last field");
  auto parsedInfo = parseKernelInfo(info);
  if (!parsedInfo) return parsedInfo.error();
  out.info = std::move(*parsedInfo);
  auto parsedCertificate = parseCertificate(certificate);
  if (!parsedCertificate) return parsedCertificate.error();
  out.certificate = *parsedCertificate;
  if (auto object = parseKernelObject(out.object); !object) return object.error();
  return out;
}

Result<void> runsHere(const KernelInfo& info) {
  static const Target host = hostTarget();
  auto contract = parseContract(info.contract);
  if (!contract) return contract.error();
  if (auto lacking = contract->lackingOn(host); !lacking.empty())
    return machineLacks(fmt::format("{}: the kernel needs {}, which this CPU lacks", info.op, join(lacking, " ")));
  return {};
}

Result<KernelRef> loadArtifact(const KernelArtifact& artifact, const std::string& origin) {
  if (auto good = runsHere(artifact.info); !good) return good.error();
  auto code = loadKernelObject(artifact.object);
  if (!code) return code.error();
  auto owner = named(code->entry, artifact.object, artifact.info, code->owner);
  return std::make_shared<const CompiledKernel>(CompiledKernel{artifact.info, code->entry, owner, origin, 0, artifact.certificate});
}

}  // namespace quern
