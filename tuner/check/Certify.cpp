// tuner/check/Certify.cpp — see Certify.h.
#include "tuner/check/Certify.h"

#include "tuner/check/KernelCheck.h"

#include <algorithm>

namespace quern {

std::vector<DimValues> sizesToCertify(const OpDesc& op, const Schedule& schedule, const SizeBound& most) {
  if (runtimeDims(op).empty()) return {{}};
  constexpr int64_t kSample = 33;  // no multiple of any tile
  constexpr int kEdges = 4;
  DimValues sample;
  for (const std::string& name : runtimeDims(op)) sample[name] = kSample;
  std::vector<DimValues> sizes = {sample};
  for (DimValues& edge : edgeSizes(op, schedule, kEdges, 1)) sizes.push_back(std::move(edge));
  SizeDims names = sizeDimsOf(op);
  for (const auto& [name, limit] : {std::pair{names.rows, most.rows}, {names.keys, most.keys}})
    if (limit > 0 && !name.empty())
      for (DimValues& one : sizes) one[name] = std::min(one[name], limit);
  return sizes;
}

Result<void> keepCertificate(KernelLibrary& library, const OpDesc& op, const Schedule& schedule, const Certificate& certificate,
                             const std::string& record) {
  if (!library.cache().enabled()) return {};
  auto artifact = library.cache().find(kernelKey(op, schedule, library.target()));
  if (!artifact) return {};  // a cache that cannot be written: said when the kernel was to be stored
  artifact->certificate = certificate;
  if (!record.empty()) artifact->tuning = record;
  return library.store(*artifact);
}

/// One kernel at all its sizes.
static Result<void> certifyOne(KernelLibrary& library, const OpDesc& op, const Schedule& schedule, const SizeBound& most,
                               const std::string& as, const std::string& record, const Stop& stop) {
  auto kernel = library.get(op, schedule, stop);
  if (!kernel) return kernel.error();
  Certificate certificate;
  certificate.as = as;
  CheckReport all;
  for (const DimValues& sizes : sizesToCertify(op, schedule, most)) {
    auto report = checkKernel(*kernel, op, sizes, 1, stop);
    if (!report) return report.error();
    if (!report->passed) return internalError(report->failure);
    all.add(*report);
    certificate.of += (certificate.of.empty() ? "" : ", ") + certifiedText(op, sizes, report->cases);
  }
  certificate.cases = all.cases, certificate.worstOverLimit = all.worst;
  certificate.of += certifiedData(all);
  return keepCertificate(library, op, schedule, certificate, record);
}

Result<void> certify(KernelLibrary& library, const OpDesc& op, const ScheduleChoice& choice, const std::string& record, const Stop& stop) {
  if (auto good = certifyOne(library, op, choice.schedule, {}, choice.from, record, stop); !good) return good;
  for (const SizeClass& small : choice.sized)
    if (small.schedule != choice.schedule)
      if (auto good = certifyOne(library, op, small.schedule, small.most, kSmallCalls, "", stop); !good) return good;
  return {};
}

}  // namespace quern
