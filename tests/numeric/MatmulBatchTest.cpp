// tests/numeric/MatmulBatchTest.cpp — products of arrays of any ranks are NumPy's; a B that all of a batch share is one product's.
#include "tests/numeric/KernelRuns.h"

using namespace quern;

namespace {

using Extents = std::vector<int64_t>;

/// Of arrays whose last two axes are matrices: the element (row, column) for a place in a batch that the array's leading axes broadcast to.
double element(const float* data, const Extents& shape, const Extents& place, int64_t row, int64_t column) {
  int64_t at = 0;
  size_t leading = shape.size() - 2;
  for (size_t i = 0; i < leading; ++i) at = at * shape[i] + (shape[i] == 1 ? 0 : place[place.size() - leading + i]);
  return data[(at * shape[leading] + row) * shape[leading + 1] + column];
}

/// What numpy.matmul gives: shape and values.
struct Product {
  Extents shape;
  std::vector<float> values;
};

Product product(Extents a, const float* dataA, Extents b, const float* dataB) {
  bool vectorA = a.size() == 1, vectorB = b.size() == 1;
  if (vectorA) a.insert(a.begin(), 1);
  if (vectorB) b.push_back(1);
  int64_t m = a[a.size() - 2], k = a.back(), n = b.back(), count = 1;
  size_t rank = std::max(a.size(), b.size()) - 2;
  Extents batch;
  for (size_t i = 0; i < rank; ++i) {
    auto own = [&](const Extents& shape) { return i + shape.size() < rank + 2 ? int64_t{1} : shape[i + shape.size() - rank - 2]; };
    batch.push_back(own(a) == 1 ? own(b) : own(a));
    count *= batch.back();
  }
  Product out{batch, {}};
  for (int64_t which = 0; which < count; ++which) {
    Extents place(rank);
    int64_t rest = which;
    for (size_t i = rank; i-- > 0; rest /= batch[i]) place[i] = rest % batch[i];
    for (int64_t i = 0; i < m; ++i)
      for (int64_t j = 0; j < n; ++j) {
        double sum = 0;
        for (int64_t d = 0; d < k; ++d) sum += element(dataA, a, place, i, d) * element(dataB, b, place, d, j);
        out.values.push_back(static_cast<float>(sum));
      }
  }
  if (!vectorA) out.shape.push_back(m);
  if (!vectorB) out.shape.push_back(n);
  return out;
}

Extents joined(Extents leading, const Extents& rest) {
  leading.insert(leading.end(), rest.begin(), rest.end());
  return leading;
}

bool broadcasts(const Extents& a, const Extents& b) {
  for (size_t i = 0; i < std::min(a.size(), b.size()); ++i) {
    int64_t x = a[a.size() - 1 - i], y = b[b.size() - 1 - i];
    if (x != y && x != 1 && y != 1) return false;
  }
  return true;
}

std::vector<float> run(KernelLibrary& library, const OpDesc& desc, const CheckInputs& inputs, const DimValues& dims, const CheckRun& how) {
  auto got = runKernel(kernelOf(library, desc), inputs, dims, how);
  REQUIRE(got);
  return *got;
}

}  // namespace

TEST_CASE("products of arrays of all ranks are NumPy's") {
  const int64_t m = 3, k = 5, n = 4;
  const Extents kBatches[] = {{}, {1}, {3}, {2, 1}, {2, 3}, {1, 1, 3}, {0}};
  std::vector<Extents> as = {{k}}, bs = {{k}};
  for (const Extents& batch : kBatches) as.push_back(joined(batch, {m, k})), bs.push_back(joined(batch, {k, n}));
  KernelLibrary library(hostTarget(), {});
  int64_t compared = 0;
  for (const Extents& a : as)
    for (const Extents& b : bs) {
      Extents leadingA(a.begin(), a.end() - (a.size() < 2 ? 1 : 2)), leadingB(b.begin(), b.end() - (b.size() < 2 ? 1 : 2));
      if (!broadcasts(leadingA, leadingB)) continue;
      for (const char* given : {"matmul", "matmul const=b"}) {
        auto desc = parseOpFor(given, std::vector<Extents>{a, b});
        INFO(given << " " << shapeText(a) << " " << shapeText(b) << (desc ? " is " + text(*desc) : ": " + desc.error().message));
        REQUIRE(desc);
        REQUIRE(bindDims(*desc, std::vector<Extents>{a, b}));
        auto again = parseOp(text(*desc));
        REQUIRE(again);
        CHECK(text(*again) == text(*desc));
        CheckRun how{InputData::Integer, static_cast<uint64_t>(compared), compared % 2 == 0 ? Flush::End : Flush::Begin, compared % 3};
        CheckInputs inputs = makeInputs(*desc, how.data, how.seed, how.flush);
        Product right = product(a, inputs.tensors[0].f32(), b, inputs.tensors[1].f32());
        CHECK(outputOf(*desc).extents() == right.shape);
        CHECK(differing(right.values, run(library, *desc, inputs, {}, how)) == "");
        ++compared;
      }
    }
  CHECK(compared > 80);
}

TEST_CASE("a B that all of a batch share is one product's") {
  struct Same {
    const char *batch, *one;
  };
  const Same kSame[] = {
      {"matmul batch=3 m=5 n=37 k=64 batch_b=scalar const=b ep=bias+gelu_tanh+residual",
       "matmul m=15 n=37 k=64 const=b ep=bias+gelu_tanh+residual"},
      {"matmul batch=3x1 m=5 n=37 k=64 batch_b=1 tb=1 acc=1 ep=\"x * g\" g=1x37", "matmul m=15 n=37 k=64 tb=1 acc=1 ep=\"x * g\" g=1x37"},
      {"matmul batch=2x4 m=1 n=64 k=64 batch_b=1x1 tb=1 const=b w=q8_0 a=q8 ep=\"silu(g) * x\" g=2x4x1x64",
       "matmul m=8 n=64 k=64 tb=1 const=b w=q8_0 a=q8 ep=\"silu(g) * x\" g=8x64"},
      {"matmul batch=3 m=5 k=64 vector=b ep=bias", "matmul m=15 n=1 k=64 ep=bias"},
  };
  for (const Target& target : runnableLevels()) {
    KernelLibrary library(target, {});
    for (const Same& same : kSame) {
      OpDesc batch = op(same.batch), one = op(same.one);
      auto product = std::get<MatmulOp>(batch).asOneProduct();
      REQUIRE(product);
      CHECK(product->m == std::get<MatmulOp>(one).m);
      CheckRun how{InputData::ZeroMean, 5};
      CheckInputs of = makeInputs(one, how.data, how.seed);
      CheckInputs in{batch, {}, of.tensors};
      std::vector<float> right = run(library, one, of, {}, how);
      INFO(same.batch << " on " << target.name);
      CHECK(differing(right, run(library, batch, in, {}, how)) == "");
    }
  }
  // Few rows have a kernel of their own, by what they grow with.
  for (const auto& [given, dim, most] : {std::tuple{"matmul m=1 n=64 k=64 batch=* batch_b=scalar const=b", "batch", 2},
                                         {"matmul m=* n=64 k=64 batch=2 batch_b=scalar const=b", "m", 1},
                                         {"matmul m=* n=64 k=64 batch=3 batch_b=scalar const=b", "m", 0},
                                         {"matmul m=* n=64 k=64 batch=* batch_b=scalar const=b", "", 0},
                                         {"matmul m=* n=64 k=64 batch=3 const=b", "m", 2}}) {
    OpDesc desc = op(given);
    std::vector<SizeClass> classes = defaultSizeClasses(desc, defaultSchedule(desc, hostTarget()), hostTarget());
    INFO(given);
    CHECK(sizeDimsOf(desc).rows == dim);
    CHECK((classes.empty() ? 0 : classes[0].most.rows) == most);
  }
  // Rows that lie apart, or operands that know which of the batch they are of, are products of their own.
  for (const char* given : {"matmul batch=3 m=5 n=7 k=6 batch_b=scalar ta=1",
                            "matmul batch=3 m=5 n=7 k=6 batch_b=scalar ep=\"x * g\" g=5x7", "matmul batch=3x2 m=5 n=7 k=6 batch_b=2",
                            "matmul batch=3 m=5 n=7 k=6", "matmul batch=1 m=5 n=7 k=6", "matmul batch=3 m=5 n=7 k=6 batch_a=scalar"})
    CHECK_FALSE(std::get<MatmulOp>(op(given)).asOneProduct());
}
