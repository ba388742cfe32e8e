// tools/report/OrderTable.cpp — how well predicted costs order what was measured: Spearman's coefficients, as text.
#include "tools/report/Pictures.h"

#include <algorithm>
#include <fmt/format.h>

namespace quern {

OrderSummary summaryOf(const std::vector<OpFacts>& ops, double OrderFacts::* figure) {
  std::vector<std::pair<double, const OpFacts*>> known;
  for (const OpFacts& op : ops)
    if (!std::isnan(op.order.*figure)) known.emplace_back(op.order.*figure, &op);
  if (known.empty()) return {};
  std::stable_sort(known.begin(), known.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  size_t half = known.size() / 2;
  double median = known.size() % 2 == 1 ? known[half].first : (known[half - 1].first + known[half].first) / 2;
  return {median, known.front().first, known.front().second->op, known.size()};
}

std::string orderTable(const std::vector<OpFacts>& ops) {
  constexpr double OrderFacts::* kFigures[] = {&OrderFacts::fitted, &OrderFacts::others, &OrderFacts::costs, &OrderFacts::repeat};
  if (summaryOf(ops, kFigures[0]).ops == 0) return "";
  std::string out =
      "Spearman of measured times with costs fitted to all other schedules, to other ops alone, not fitted; and with times measured again\n"
      "fitted  others   costs  repeat  schedules  op\n";
  auto number = [](double value) { return fmt::format("{:>6}  ", std::isnan(value) ? std::string("-") : fmt::format("{:.2f}", value)); };
  for (const OpFacts& op : ops) {
    if (op.order.schedules == 0) continue;
    for (auto figure : kFigures) out += number(op.order.*figure);
    out += fmt::format("{:>9}  {}\n", op.order.schedules, op.op);
  }
  std::string worst;
  for (auto figure : kFigures) {
    OrderSummary all = summaryOf(ops, figure);
    out += number(all.ops == 0 ? OrderFacts::kNone : all.median), worst += number(all.ops == 0 ? OrderFacts::kNone : all.worst);
  }
  OrderSummary fitted = summaryOf(ops, kFigures[0]);
  return out + fmt::format("median of {} ops\n{}worst; fitted: {}\n", fitted.ops, worst, fitted.worstOp);
}

}  // namespace quern
