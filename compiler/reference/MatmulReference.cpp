// compiler/reference/MatmulReference.cpp — matmul in double, row by row, with S = sum|a||b| beside it.
#include "compiler/op/BlockValues.h"
#include "compiler/reference/OpReferences.h"
#include "compiler/reference/ScalarReference.h"

#include <cmath>

namespace quern {

namespace {

struct Row {
  std::vector<double> sum, magnitude;
};

/// sum[j] += A[i,k] B[k,j] over all k, ascending; B in double, [k][n].
void accumulate(Row& row, const MatmulOp& op, const float* a, const std::vector<double>& b, int64_t i) {
  auto n = static_cast<size_t>(op.n.value);
  for (int64_t k = 0; k < op.k.value; ++k) {
    double x = a[op.ta ? k * op.m.value + i : i * op.k.value + k];
    double absX = std::fabs(x);
    const double* from = b.data() + static_cast<size_t>(k) * n;
    for (size_t j = 0; j < n; ++j) {
      row.sum[j] += x * from[j];
      row.magnitude[j] += absX * std::fabs(from[j]);
    }
  }
}

/// One batch of B as f32, as it is stored.
std::vector<float> valuesOf(const MatmulOp& op, const void* b, int64_t batch) {
  int64_t count = op.n.value * op.k.value;
  std::vector<float> values(static_cast<size_t>(count));
  rowValues(op.w, static_cast<const std::byte*>(b) + batch * bytesOf(op.w, count), count, values.data());
  return values;
}

std::vector<double> asRows(const MatmulOp& op, const std::vector<float>& b) {
  auto n = static_cast<size_t>(op.n.value), k = static_cast<size_t>(op.k.value);
  std::vector<double> rows(n * k);
  for (size_t kk = 0; kk < k; ++kk)
    for (size_t j = 0; j < n; ++j) rows[kk * n + j] = b[op.tb ? j * k + kk : kk * n + j];
  return rows;
}

/// Offset of an epilogue operand for output (batch, i, j): dimensions of length one stand still.
int64_t offsetOf(const TensorSpec& spec, int64_t batch, int64_t i, int64_t j) {
  const int64_t full[] = {batch, i, j};
  int64_t offset = 0;
  size_t rank = spec.dims.size();
  for (size_t d = 0; d < rank; ++d) offset = offset * spec.dims[d].value + (spec.dims[d].name == "one" ? 0 : full[3 - rank + d]);
  return offset;
}

}  // namespace

ReferenceResult referenceOf(const MatmulOp& op, Inputs inputs, DataKind kind) {
  int64_t m = op.m.value, n = op.n.value, k = op.k.value;
  auto outputs = static_cast<size_t>(op.batch.value * m * n);
  ReferenceResult out{std::vector<double>(outputs), std::vector<double>(outputs)};
  std::vector<TensorSpec> specs = op.inputs();
  double unit = kind == DataKind::ZeroMean ? 4 * kEps : static_cast<double>(k + 2) * kU;
  size_t at = 0;
  for (int64_t batch = 0; batch < op.batch.value; ++batch) {
    std::vector<double> b = asRows(op, valuesOf(op, inputs[1].data, batch));
    for (int64_t i = 0; i < m; ++i) {
      Row row{std::vector<double>(static_cast<size_t>(n)), std::vector<double>(static_cast<size_t>(n))};
      accumulate(row, op, inputs[0].f32() + batch * m * k, b, i);
      for (int64_t j = 0; j < n; ++j, ++at) {
        auto column = static_cast<size_t>(j);
        double c = op.acc ? inputs[2].f32()[at] : 0;
        Bounded x{row.sum[column] + c, kind == DataKind::Integer ? 0 : unit * (row.magnitude[column] + std::fabs(c))};
        if (std::isnan(x.error)) x.error = 0;  // Inf x 0: the value is NaN and says so
        if (op.ep != nullptr)
          x = evaluate(*op.ep, [&](const std::string& name) {
            if (name == "x") return x;
            for (size_t s = 0; s < specs.size(); ++s)
              if (specs[s].name == name) return Bounded{inputs[s].f32()[offsetOf(specs[s], batch, i, j)], 0};
            return Bounded{};
          });
        out.value[at] = x.value;
        out.limit[at] = x.error;
      }
    }
  }
  return out;
}

}  // namespace quern
