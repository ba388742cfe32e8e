// compiler/schedule/KernelInfo.cpp — see KernelInfo.h.
#include "compiler/schedule/KernelInfo.h"

#include "compiler/base/Text.h"

#include <array>
#include <fmt/format.h>

namespace quern {

static constexpr std::array<std::string_view, 4> kUses = {"in", "out", "inout", "weight"};

std::string text(const KernelInfo& info) {
  std::string out = fmt::format("op {}\nschedule {}\ncontract {}\norder {}\n", info.op, info.schedule, info.contract, info.order);
  for (const std::string& dim : info.dims) out += fmt::format("dim {}\n", dim);
  for (const KernelBuffer& buffer : info.buffers) {
    out += fmt::format("buffer {} use={} strides={} ", buffer.name, kUses[static_cast<size_t>(buffer.use)], buffer.strides);
    out += buffer.pack.panel != 0 ? text(buffer.pack) : fmt::format("type={}", text(buffer.type));
    out += "\n";
  }
  for (const Formula& phase : info.phases) out += fmt::format("phase {}\n", phase.text());
  return out + fmt::format("shared_scratch {}\nthread_scratch {}\n", info.sharedScratchBytes.text(), info.threadScratchBytes.text());
}

static Result<KernelBuffer> parseBuffer(std::string_view line) {
  auto keys = parseKeyValues(line, "kernel info: buffer", true);
  if (!keys) return keys.error();
  KeyReader reader(*keys, "kernel info: buffer " + keys->head);
  KernelBuffer buffer;
  buffer.name = keys->head;
  buffer.use = static_cast<BufferUse>(reader.takeChoice("use", {"in", "out", "inout", "weight"}));
  buffer.strides = static_cast<int>(reader.takeInt("strides", 0, 0, 8));
  buffer.pack = takePackLayout(reader);
  buffer.type = buffer.pack.type;
  if (buffer.pack.panel == 0) buffer.pack.type = ElementType::F32;
  if (auto good = reader.finish(); !good) return good.error();
  return buffer;
}

/// One line into `info`. Errors: BadInput.
static Result<void> parseLine(KernelInfo& info, const std::string& key, const std::string& value) {
  auto formula = [&](Formula& into) -> Result<void> {
    auto parsed = Formula::parse(value, info.dims);
    if (!parsed) return parsed.error();
    into = std::move(*parsed);
    return {};
  };
  if (key == "op") return info.op = value, Result<void>();
  if (key == "schedule") return info.schedule = value, Result<void>();
  if (key == "contract") return info.contract = value, Result<void>();
  if (key == "order") return info.order = value, Result<void>();
  if (key == "dim") return info.dims.push_back(value), Result<void>();
  if (key == "shared_scratch") return formula(info.sharedScratchBytes);
  if (key == "thread_scratch") return formula(info.threadScratchBytes);
  if (key == "phase") {
    if (info.phases.size() == 3) return badInput("kernel info: more than 3 phases");
    return formula(info.phases.emplace_back());
  }
  if (key != "buffer") return badInput(fmt::format("kernel info: unknown line '{}'", escaped(key)));
  auto buffer = parseBuffer(value);
  if (!buffer) return badInput(buffer.error().message);
  info.buffers.push_back(std::move(*buffer));
  return {};
}

Result<KernelInfo> parseKernelInfo(std::string_view given) {
  KernelInfo info;
  for (const std::string& line : split(given, '\n')) {
    if (line.empty()) continue;
    size_t blank = std::min(line.find(' '), line.size());
    auto good = parseLine(info, line.substr(0, blank), std::string(trim(std::string_view(line).substr(blank))));
    if (!good) return good.error();
  }
  if (info.op.empty() || info.phases.empty()) return badInput("kernel info: no op or no phase");
  return info;
}

}  // namespace quern
