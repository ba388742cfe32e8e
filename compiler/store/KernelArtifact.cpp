// compiler/store/KernelArtifact.cpp — see KernelArtifact.h.
#include "compiler/store/KernelArtifact.h"

#include "compiler/base/ElfObject.h"
#include "compiler/base/Files.h"
#include "compiler/base/Text.h"
#include "compiler/Fingerprint.h"
#include "compiler/store/ObjectLoader.h"

#include <fmt/format.h>

namespace quern {

static constexpr std::string_view kMagic = "quern-kernel 1\n";
static constexpr size_t kHashChars = 64;

KernelKey kernelKey(const OpDesc& op, const Schedule& schedule, const Target& target) {
  return {text(op), text(schedule), target.level, kGeneratorFingerprint, kLlvmVersion, kAbiFingerprint};
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

std::string hashOf(const KernelKey& key) { return sha256(text(key)).substr(0, 32); }

std::string serialise(const KernelArtifact& artifact) {
  std::string out(kMagic);
  out += text(artifact.key);
  addField(out, "info", text(artifact.info));
  addField(out, "certificate", fmt::format("cases={} worst={}", artifact.certificate.cases, shortest(artifact.certificate.worstOverLimit)));
  addField(out, "provenance", artifact.provenance);
  addField(out, "tuning", artifact.tuning);
  addField(out, "object", artifact.object);
  return out + sha256(out);
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
  rest.remove_prefix(value.size() + 1);
  return value;
}

static Result<Certificate> parseCertificate(std::string_view given) {
  auto keys = parseKeyValues(given, "kernel file: certificate", false);
  if (!keys) return badInput(keys.error().message);
  KeyReader reader(*keys, "kernel file: certificate");
  Certificate out{reader.takeInt("cases", 0, 0, INT64_MAX), reader.takeDouble("worst", 0)};
  if (auto good = reader.finish(); !good) return badInput(good.error().message);
  return out;
}

Result<KernelArtifact> parseArtifact(std::string_view bytes) {
  if (!bytes.starts_with(kMagic)) return badInput("kernel file: not a quern kernel of format 1");
  if (bytes.size() < kMagic.size() + kHashChars) return badInput("kernel file: truncated");
  std::string_view body = bytes.substr(0, bytes.size() - kHashChars);
  if (sha256(body) != bytes.substr(body.size())) return badInput("kernel file: its hash does not match: it was damaged or cut short");
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

Result<KernelRef> loadArtifact(const KernelArtifact& artifact, const std::string& origin) {
  auto code = loadKernelObject(artifact.object);
  if (!code) return code.error();
  return std::make_shared<const CompiledKernel>(CompiledKernel{artifact.info, code->entry, code->owner, origin, 0});
}

}  // namespace quern
