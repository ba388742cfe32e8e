// models/ProductArithmetic.cpp — see ProductArithmetic.h.
#include "models/ProductArithmetic.h"

#include "compiler/schedule/MatmulSchedule.h"
#include "compiler/schedule/Schedule.h"
#include "models/Model.h"

#include <algorithm>
#include <map>

namespace quern {

static ProductArithmetic arithmeticOf(const MatmulOp& op) {
  KeyValues keys = op.write();
  auto value = [&](std::string_view key, const char* otherwise) {
    const std::string* found = keys.find(key);
    return found == nullptr ? std::string(otherwise) : *found;
  };
  return {value("w", "f32"), value("a", "f32"), value("order", ""), op};
}

std::string text(const ProductArithmetic& one) { return one.weights + " a=" + one.a + (one.order.empty() ? "" : " order=" + one.order); }

std::string text(const std::vector<ProductArithmetic>& all) {
  std::string out;
  for (const ProductArithmetic& one : all) out += (out.empty() ? "" : ", ") + text(one);
  return out;
}

Result<std::vector<ProductArithmetic>> productsOf(const ModelSource& source) {
  auto workload = workloadOf(source, 1);
  if (!workload) return workload.error();
  std::map<ElementType, ProductArithmetic> byType;
  for (const WorkloadItem& item : workload->items)
    if (const auto* op = std::get_if<MatmulOp>(&item.op); op != nullptr && op->constB) byType.try_emplace(op->w, arithmeticOf(*op));
  std::vector<ProductArithmetic> all;
  for (auto& [type, one] : byType) all.push_back(std::move(one));
  return all;
}

bool anyRounds(const std::vector<ProductArithmetic>& all) {
  return std::any_of(all.begin(), all.end(), [](const ProductArithmetic& one) { return one.rounds(); });
}

Compute usualCompute(const std::vector<ProductArithmetic>& fast, const Target& target) {
  bool served = anyRounds(fast) && computableOn(fast, target);
  for (const ProductArithmetic& one : fast) served = served && (!one.rounds() || roundingServes(std::get<MatmulOp>(one.example), target));
  return served ? Compute::Fast : Compute::Exact;
}

Result<void> computableOn(const std::vector<ProductArithmetic>& all, const Target& target) {
  for (const ProductArithmetic& one : all)
    if (auto good = validate(defaultSchedule(one.example, target), one.example, target); !good) return good;
  return {};
}

}  // namespace quern
