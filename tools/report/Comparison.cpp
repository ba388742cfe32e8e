// tools/report/Comparison.cpp — see Comparison.h. Printing: ComparisonText.cpp.
#include "tools/report/Comparison.h"

#include "compiler/op/OpDesc.h"

#include <algorithm>
#include <cmath>

namespace quern {

std::string_view text(Verdict verdict) {
  constexpr std::string_view names[] = {"improved", "unchanged", "regressed", "critical"};
  return names[static_cast<size_t>(verdict)];
}

static std::optional<double> figure(const Columns& columns, const std::string& column) {
  auto found = columns.find(column);
  return found == columns.end() ? std::nullopt : std::optional<double>(found->second);
}

namespace {

constexpr double kUsualNoise = 5, kLeastNoise = 1, kCritical = 80;

/// The ceiling that binds a category: data for tensor operations, arithmetic for the rest.
std::optional<double> ceilingOf(const RecordFile& file, const std::string& category) {
  return figure(file.ceilings, category == "tensor" ? "copy_l2_gbs" : "fma_f32_gflops");
}

Verdict verdictOf(double change, std::optional<double> noise) {
  double threshold = noise ? std::max(kLeastNoise, *noise) : kUsualNoise;
  if (change >= kCritical) return Verdict::Critical;
  return change > threshold ? Verdict::Regressed : change < -threshold ? Verdict::Improved : Verdict::Unchanged;
}

/// Sums over rows that both have, for the figures of one kind.
struct Sum {
  double base = 0, fresh = 0;
  void add(std::optional<double> a, std::optional<double> b) {
    if (!a || !b) return;
    base += *a;
    fresh += *b;
  }
};

class Comparer {
public:
  Comparer(const RecordColumn& base, const RecordColumn& fresh) : base_(base), fresh_(fresh) {
    out_.base = &base;
    out_.fresh = &fresh;
    out_.sameMachine = base.file.machine == fresh.file.machine;
    out_.byCeiling = !base.file.ceilings.empty() && !fresh.file.ceilings.empty();
  }

  RecordComparison run() {
    rows();
    models();
    auto total = [&](const std::string& name, const std::string& unit, const Columns RecordFile::* which) {
      auto a = figure(base_.file.*which, base_.column), b = figure(fresh_.file.*which, fresh_.column);
      if (a || b) out_.totals.push_back({name, unit, a, b});
    };
    total("runtime, as recorded", "ms", &RecordFile::runtimeMs);
    total("runtime, scopes that do not overlap", "ms", &RecordFile::runtimeMsDisjoint);
    out_.totals.push_back({"runtime, rows in both", "ms", time_.base, time_.fresh});
    total("allocated, as recorded", "MiB", &RecordFile::allocatedMib);
    total("allocated, scopes that do not overlap", "MiB", &RecordFile::allocatedMibDisjoint);
    out_.totals.push_back({"allocated, rows in both", "MiB", memory_.base, memory_.fresh});
    return std::move(out_);
  }

private:
  void add(const std::string& id, const std::string& category, bool model, double a, double b, std::optional<double> noise,
           const RecordRow* row) {
    ComparedRow compared;
    compared.id = id;
    compared.category = category;
    compared.model = model;
    compared.baseMs = a;
    compared.newMs = b;
    double scaledA = a, scaledB = b;
    if (out_.byCeiling) {
      auto ceilingA = ceilingOf(base_.file, category), ceilingB = ceilingOf(fresh_.file, category);
      if (ceilingA && ceilingB) scaledA *= *ceilingA, scaledB *= *ceilingB;
    }
    compared.changePercent = scaledA > 0 ? 100 * (scaledB / scaledA - 1) : 0;
    compared.verdict = verdictOf(compared.changePercent, noise);
    if (row != nullptr) rates(compared, *row);
    out_.rows.push_back(std::move(compared));
  }

  /// GFLOPS of the whole scope, and of one call over the scope, as the recorded report counts.
  static void rates(ComparedRow& compared, const RecordRow& row) {
    auto op = row.op.empty() ? Result<OpDesc>(badInput("")) : parseOp(row.op);
    if (!op || !runtimeDims(*op).empty()) return;
    double flops = flopsOf(*op), all = flops * static_cast<double>(row.calls);
    compared.baseGflops = all / (compared.baseMs * 1e6);
    compared.newGflops = all / (compared.newMs * 1e6);
    compared.target = row.targetGflops;
    compared.baseTargetGflops = flops / (compared.baseMs * 1e6);
    compared.newTargetGflops = flops / (compared.newMs * 1e6);
  }

  void rows() {
    for (const RecordRow& row : base_.file.rows) {
      auto found =
          std::find_if(fresh_.file.rows.begin(), fresh_.file.rows.end(), [&](const RecordRow& other) { return other.id == row.id; });
      auto a = figure(row.ms, base_.column);
      auto b = found == fresh_.file.rows.end() ? std::nullopt : figure(found->ms, fresh_.column);
      if (!a) continue;
      if (!b) {
        out_.onlyBase.push_back(row.id);
        continue;
      }
      std::optional<double> noise = found->noisePercent ? found->noisePercent : row.noisePercent;
      add(row.id, row.category, false, *a, *b, noise, &row);
      if (row.inTotals) time_.add(a, b);
      memory_.add(figure(row.allocatedMib, base_.column), figure(found->allocatedMib, fresh_.column));
    }
    for (const RecordRow& row : fresh_.file.rows)
      if (figure(row.ms, fresh_.column) &&
          std::none_of(base_.file.rows.begin(), base_.file.rows.end(), [&](const RecordRow& other) { return other.id == row.id; }))
        out_.onlyNew.push_back(row.id);
  }

  void models() {
    for (const RecordModel& model : base_.file.models) {
      auto found = std::find_if(fresh_.file.models.begin(), fresh_.file.models.end(),
                                [&](const RecordModel& other) { return other.id == model.id; });
      auto a = figure(model.ms, base_.column);
      auto b = found == fresh_.file.models.end() ? std::nullopt : figure(found->ms, fresh_.column);
      if (!a || !b) {
        if (a) out_.onlyBase.push_back(model.id);
        continue;
      }
      add(model.id, "model", true, *a, *b, std::nullopt, nullptr);
      out_.models.push_back({model.id, &model, &*found});
      time_.add(a, b);
      time_.add(figure(model.createMs, base_.column), figure(found->createMs, fresh_.column));
      auto perRun = [](const RecordModel& m, const std::string& column) {
        auto each = figure(m.allocatedMibPerToken, column);
        return each ? std::optional<double>(*each * static_cast<double>(m.steps)) : std::nullopt;
      };
      memory_.add(perRun(model, base_.column), perRun(*found, fresh_.column));
    }
  }

  const RecordColumn& base_;
  const RecordColumn& fresh_;
  RecordComparison out_;
  Sum time_, memory_;
};

}  // namespace

RecordComparison compareRecords(const RecordColumn& base, const RecordColumn& fresh) { return Comparer(base, fresh).run(); }

}  // namespace quern
