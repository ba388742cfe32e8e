// models/ProductArithmetic.cpp — see ProductArithmetic.h.
#include "models/ProductArithmetic.h"

#include "compiler/base/Text.h"
#include "compiler/schedule/MatmulSchedule.h"
#include "compiler/schedule/Schedule.h"
#include "models/Model.h"

#include <algorithm>
#include <fmt/format.h>
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

Result<AskedArithmetic> askedArithmetic(const std::optional<std::string>& compute, const std::string& order) {
  AskedArithmetic asked{std::nullopt, order};
  if (compute) {
    asked.compute = computeNamed(*compute);
    if (!asked.compute) return badCommand(fmt::format("--compute {}: exact, fast or tile is needed", escaped(*compute)));
  }
  if (!order.empty() && order != "tile32" && order != "pairs")
    return badCommand(fmt::format("--order {}: tile32 or pairs is needed", escaped(order)));
  if (!order.empty() && asked.compute == Compute::Exact) return badCommand("--order goes with --compute fast or tile");
  return asked;
}

/// "" where products are rounded, or there are none.
static std::string exactText(const ModelSource& source, const std::vector<ProductArithmetic>& products) {
  if (products.empty() || anyRounds(products)) return "";
  std::vector<std::string> types;
  for (const ProductArithmetic& one : products) types.push_back(one.weights);
  return fmt::format("{}: --compute {} leaves products with weights of {} exact", escaped(source.weights.label()), nameOf(source.compute),
                     join(types, " and "));
}

Result<std::string> computeAs(const AskedArithmetic& asked, const Target& target, ModelSource& source) {
  source.compute = asked.compute.value_or(Compute::Fast);
  if (source.compute == Compute::Exact) return std::string();
  source.order = asked.order.empty() ? pairOrderFor(target) : asked.order == "pairs" ? PairOrder::Pairs : PairOrder::Tile32;
  auto products = productsOf(source);
  if (!products) return std::string();  // said where it is loaded
  std::string remark;
  if (!asked.compute) source.compute = usualCompute(*products, target);
  else remark = exactText(source, *products);
  if (source.compute != Compute::Exact || asked.order.empty()) return remark;
  return badCommand("--order goes with --compute fast or tile; without that it is exact here");
}

Result<void> computableOn(const std::vector<ProductArithmetic>& all, const Target& target) {
  for (const ProductArithmetic& one : all)
    if (auto good = validate(defaultSchedule(one.example, target), one.example, target); !good) return good;
  return {};
}

}  // namespace quern
