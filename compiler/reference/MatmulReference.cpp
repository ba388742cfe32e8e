// compiler/reference/MatmulReference.cpp — matmul in double, row by row, with S = sum|a||b| beside it.
#include "compiler/op/BlockFormat.h"
#include "compiler/op/BlockValues.h"
#include "compiler/reference/OpReferences.h"
#include "compiler/reference/ScalarReference.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

namespace quern {

namespace {

/// Which batches, rows and columns are computed: all, or of each a sample (Sample.h).
struct Sample {
  std::vector<int64_t> batches, rows, columns;

  Sample(const MatmulOp& op, const ReferenceScope& scope) {
    constexpr int64_t kFewRows = 24;  // a product that is too large keeps about so many, and as many columns as they leave time for
    auto k = static_cast<double>(std::max<int64_t>(1, op.k.value));
    bool all = static_cast<double>(op.batches()) * static_cast<double>(op.m.value) * static_cast<double>(op.n.value) * k <= scope.mostWork;
    auto most = [&](int64_t count, double work) { return all ? count : scope.affordable(work); };
    batches = sampleOf(op.batches(),
                       std::max(kFewRows / 4, most(op.batches(), k * static_cast<double>(op.m.value) * static_cast<double>(op.n.value))));
    auto each = k * static_cast<double>(std::max<size_t>(1, batches.size()));
    rows = sampleOf(op.m.value, std::max(all ? op.m.value : kFewRows, most(op.m.value, each * static_cast<double>(op.n.value))));
    // What C is handed on as has blocks: all of one is looked at, or nothing.
    int64_t block = formatOf(op.out).block, work = block * static_cast<int64_t>(std::max<size_t>(1, rows.size()));
    for (int64_t first : sampleOf(op.n.value / block, most(op.n.value / block, each * static_cast<double>(work))))
      for (int64_t i = 0; i < block; ++i) columns.push_back(first * block + i);
  }
};

struct Row {
  std::vector<double> sum, magnitude;
  std::vector<double> flushed;  ///< what pieces and products below 2^-126 come to
};

/// Roundings that an output goes through, as MatmulOp.h has its error, and one for what is added to it.
double roundings(const MatmulOp& op) {
  auto k = static_cast<double>(op.k.value);
  if (op.a == RoundedTo::F32x3) return 1.5 * k + 26;
  return op.splitsWeight() ? 2 * k + 4 : k + 2;
}

/// sum[j] += A[i,k] B[k,columns[j]] over all k, ascending; B in double, [k][columns].
void accumulate(Row& row, const MatmulOp& op, const float* a, const std::vector<double>& b, int64_t i) {
  size_t n = row.sum.size();
  for (int64_t k = 0; k < op.k.value; ++k) {
    double x = a[op.ta ? k * op.m.value + i : i * op.k.value + k];
    double absX = std::fabs(x);
    const double* from = b.data() + static_cast<size_t>(k) * n;
    for (size_t j = 0; j < n; ++j) {
      row.sum[j] += x * from[j];
      row.magnitude[j] += absX * std::fabs(from[j]);
      if (op.a == RoundedTo::F32x3) row.flushed[j] += 0x1p-126 * (absX + std::fabs(from[j]) + 8);
    }
  }
}

/// The same of A's codes and B's blocks, as MatmulOp.h has it: sums of whole numbers, then of their products with the scales.
void accumulateCoded(Row& row, const MatmulOp& op, const std::vector<CodedBlock>& coded, const std::byte* b,
                     const std::vector<int64_t>& columns) {
  constexpr int kBlock = CodedBlock::kElements;
  const ElementFormat& format = formatOf(op.w);
  const BlockFormat& blocks = blockFormatOf(op.w);
  bool minima = blocks.minima != Minima::None, scaled = blocks.each == kBlock && blocks.scales != SubScales::None;
  for (size_t j = 0; j < columns.size(); ++j)
    for (int64_t k = 0; k < op.k.value; k += format.block) {
      WholeBlock whole = wholeBlock(op.w, b + bytesOf(op.w, columns[j] * op.k.value + k));
      for (int64_t first = 0; first < format.block; first += kBlock) {
        const CodedBlock& own = coded[static_cast<size_t>((k + first) / kBlock)];
        double product = 0, least = 0, size = 0;
        for (int i = 0; i < kBlock; ++i) {
          int64_t at = first + i;
          int scale = whole.scale[at / whole.each], minimum = whole.least[at / whole.each];
          product += own.codes[i] * scale * whole.q[at];
          least += own.codes[i] * minimum;
          size += std::fabs(static_cast<double>(own.codes[i])) *
                  (std::abs(scale * whole.q[at]) * std::fabs(double{whole.d}) + minimum * std::fabs(double{whole.dmin}));
        }
        // A sub-block's own scale is what may be 0 beside an Inf.
        bool never = scaled && whole.scale[first / whole.each] == 0 && std::isinf(whole.d);
        row.sum[j] += never ? NAN : product * (double{own.scale} * whole.d);
        if (minima) row.sum[j] -= least * (double{own.scale} * whole.dmin);
        row.magnitude[j] += std::fabs(double{own.scale}) * size;
      }
    }
}

/// The same of a row's codes and whole columns: sums that are exact, times the product of the scales as it is rounded. What is left to err
/// is in float(sum), in one product and one sum, and below the least normal number.
void accumulateWhole(Row& row, const MatmulOp& op, const float* a, const std::byte* b, const float* scales,
                     const std::vector<int64_t>& columns) {
  int64_t n = op.n.value, depth = op.k.value;
  std::vector<int> codes(static_cast<size_t>(depth));
  float scale = codedRow(a, depth, codes.data());
  for (size_t j = 0; j < columns.size(); ++j) {
    int64_t dot = 0;
    for (int64_t k = 0; k < depth; ++k)
      dot += codes[static_cast<size_t>(k)] * int64_t{static_cast<int8_t>(b[op.tb ? columns[j] * depth + k : k * n + columns[j]])};
    row.sum[j] = static_cast<double>(dot) * double{scale * scales[columns[j]]};
    row.magnitude[j] = std::fabs(row.sum[j]) + static_cast<double>(std::numeric_limits<float>::min());
  }
}

/// The columns of one batch of B that are looked at, in double, [k][columns].
std::vector<double> columnsOf(const MatmulOp& op, const void* stored, int64_t batch, const std::vector<int64_t>& columns) {
  auto n = static_cast<size_t>(op.n.value), k = static_cast<size_t>(op.k.value), count = columns.size();
  std::vector<double> out(k * count);
  const auto* b = static_cast<const std::byte*>(stored) + batch * bytesOf(op.w, op.n.value * op.k.value);
  std::vector<float> line(op.tb ? k : n);
  if (op.tb) {
    for (size_t j = 0; j < count; ++j) {
      rowValues(op.w, b + bytesOf(op.w, columns[j] * op.k.value), op.k.value, line.data());
      for (size_t kk = 0; kk < k; ++kk) out[kk * count + j] = line[kk];
    }
    return out;
  }
  for (size_t kk = 0; kk < k; ++kk) {
    rowValues(op.w, b + bytesOf(op.w, static_cast<int64_t>(kk * n)), op.n.value, line.data());
    for (size_t j = 0; j < count; ++j) out[kk * count + j] = line[static_cast<size_t>(columns[j])];
  }
  return out;
}

/// Of one of C's batch the place along each axis.
std::vector<int64_t> placesOf(const Shape& batch, int64_t index) {
  std::vector<int64_t> places(batch.size());
  for (size_t d = batch.size(); d-- > 0; index /= batch[d].value) places[d] = index % batch[d].value;
  return places;
}

/// Offset of an operand with these dimensions at (places of the batch, row, column): dimensions of length one stand still.
int64_t offsetOf(const std::vector<TensorDim>& dims, const std::vector<int64_t>& full) {
  int64_t offset = 0;
  size_t rank = dims.size();
  for (size_t d = 0; d < rank; ++d) offset = offset * dims[d].value + (dims[d].name == "one" ? 0 : full[full.size() - rank + d]);
  return offset;
}

/// Of A's and of B's batch the one that goes with one of C's.
struct Own {
  int64_t a, b;
  Own(const MatmulOp& op, int64_t batch) {
    std::vector<int64_t> places = placesOf(op.batch, batch);
    a = offsetOf(op.axesOf(op.batchA), places);
    b = offsetOf(op.axesOf(op.batchB), places);
  }
};

}  // namespace

float pairsOperand(float x, bool round) {
  uint32_t bits = std::bit_cast<uint32_t>(x);
  constexpr uint32_t kInf = 0x7f800000, kSigned = 0x80000000;
  if (round && (bits & ~kSigned) < kInf) bits = (bits + 0x7fff + ((bits >> 16) & 1)) & 0xffff0000;
  if ((bits & kInf) == 0) bits &= kSigned;
  return std::bit_cast<float>(bits);
}

static std::vector<float> operandsOf(const float* a, int64_t k, bool round) {
  std::vector<float> row(a, a + k);
  for (float& each : row) each = pairsOperand(each, round);
  return row;
}

/// A row of A as it arrived, in blocks.
static std::vector<CodedBlock> blocksOf(const MatmulOp& op, const std::byte* a) {
  std::vector<CodedBlock> coded;
  for (int64_t k = 0; k < op.k.value; k += CodedBlock::kElements) {
    const std::byte* from = a + bytesOf(op.in, k);
    coded.push_back(op.in == ElementType::Q8 ? loadCoded(from) : codedBlock(reinterpret_cast<const float*>(from)));
  }
  return coded;
}

/// A row of one batch, by what A is rounded to; `b`: the columns in double where it is not to whole numbers.
static Row rowOf(const MatmulOp& op, Inputs inputs, const std::vector<double>& b, const std::vector<int64_t>& columns, int64_t batch,
                 int64_t i) {
  int64_t n = op.n.value, k = op.k.value;
  Own own(op, batch);
  std::vector<double> zeros(columns.size());
  Row row{zeros, zeros, zeros};
  const auto* arrived = static_cast<const std::byte*>(inputs[0].data) + bytesOf(op.in, (own.a * op.m.value + i) * k);
  std::vector<float> a(static_cast<size_t>(op.in == ElementType::Q8 ? 0 : k));
  if (!op.ta && !a.empty()) rowValues(op.in, arrived, k, a.data());
  const auto* stored = static_cast<const std::byte*>(inputs[1].data) + own.b * bytesOf(op.w, n * k);
  switch (op.a) {
    case RoundedTo::F32: accumulate(row, op, inputs[0].f32() + own.a * op.m.value * k, b, i); break;
    case RoundedTo::F32x3:
    case RoundedTo::BF16: accumulate(row, op, operandsOf(a.data(), k, op.a == RoundedTo::BF16).data(), b, 0); break;
    case RoundedTo::Q8: accumulateCoded(row, op, blocksOf(op, arrived), stored, columns); break;
    case RoundedTo::I8: accumulateWhole(row, op, a.data(), stored, inputs[2].f32() + own.b * n, columns); break;
  }
  return row;
}

/// What an output errs by for each unit of its magnitude.
static double unitOf(const MatmulOp& op, DataKind kind) {
  if (op.a == RoundedTo::I8) return 4 * kU;
  if (kind == DataKind::Integer && op.a != RoundedTo::Q8) return 0;
  return kind == DataKind::ZeroMean ? 4 * kEps : roundings(op) * kU;
}

ReferenceResult referenceOf(const MatmulOp& op, Inputs inputs, DataKind kind, const ReferenceScope& scope) {
  int64_t m = op.m.value, n = op.n.value, k = op.k.value;
  ReferenceResult out = unseen(op.output());
  std::vector<TensorSpec> specs = op.inputs();
  double unit = unitOf(op, kind);
  size_t added = op.a == RoundedTo::I8 ? 3 : 2;  // the operand C
  Sample sample(op, scope);
  for (int64_t batch : sample.batches) {
    if (scope.stop.asked()) break;
    std::vector<double> b;
    if (!op.dotsOfBytes()) b = columnsOf(op, inputs[1].data, Own(op, batch).b, sample.columns);
    if (op.inPairs())
      for (double& each : b) each = pairsOperand(static_cast<float>(each), op.roundsWeight());
    double work = static_cast<double>(k) * static_cast<double>(sample.columns.size());
    forRows(static_cast<int64_t>(sample.rows.size()), work, {INFINITY, scope.stop}, [&](int64_t which) {
      int64_t i = sample.rows[static_cast<size_t>(which)];
      Row row = rowOf(op, inputs, b, sample.columns, batch, i);
      std::vector<int64_t> full = placesOf(op.batch, batch);
      full.insert(full.end(), {i, 0});
      for (size_t column = 0; column < sample.columns.size(); ++column) {
        int64_t j = full.back() = sample.columns[column];
        auto at = static_cast<size_t>((batch * m + i) * n + j);
        double c = op.acc ? inputs[added].f32()[at] : 0;
        Bounded x{row.sum[column] + c, unit == 0 ? 0 : unit * (row.magnitude[column] + std::fabs(c)) + row.flushed[column]};
        if (std::isnan(x.error)) x.error = 0;  // Inf x 0: the value is NaN and says so
        if (op.ep != nullptr)
          x = evaluate(*op.ep, [&](const std::string& name) {
            if (name == "x") return x;
            for (size_t s = 0; s < specs.size(); ++s)
              if (specs[s].name == name) return Bounded{inputs[s].f32()[offsetOf(op.asMatrix(specs[s]).dims, full)], 0};
            return Bounded{};
          });
        out.value[at] = x.value;
        out.limit[at] = x.error;
      }
    });
  }
  handOn(op.out, out);
  return out;
}

}  // namespace quern
