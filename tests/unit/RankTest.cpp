// tests/unit/RankTest.cpp — a dimension of one, or of none, keeps its place: the result has the rank of what was given, whether sizes are
// said, taken from the arrays, or known only at call time.
#include "tests/Support.h"

using namespace quern;

namespace {

using Shapes = std::vector<std::vector<int64_t>>;

struct Case {
  const char* op;
  Shapes inputs;
  std::vector<int64_t> out;
};

const Case kCases[] = {
    {"matmul", {{2, 3}, {3, 4}}, {2, 4}},
    {"matmul batch=1", {{2, 3}, {3, 4}}, {2, 4}},
    {"matmul", {{1, 2, 3}, {1, 3, 4}}, {1, 2, 4}},
    {"matmul batch=1", {{1, 2, 3}, {1, 3, 4}}, {1, 2, 4}},
    {"matmul batch=*", {{1, 2, 3}, {1, 3, 4}}, {1, 2, 4}},
    {"matmul batch=*", {{0, 2, 3}, {0, 3, 4}}, {0, 2, 4}},
    {"matmul m=* n=* k=* batch=*", {{1, 1, 1}, {1, 1, 1}}, {1, 1, 1}},
    {"matmul", {{3}, {3, 4}}, {4}},
    {"matmul", {{2, 3}, {3}}, {2}},
    {"matmul", {{3}, {3}}, {}},
    {"matmul acc=1 ep=residual", {{3}, {3}, {}, {}}, {}},
    {"matmul", {{3}, {1, 3, 4}}, {1, 4}},
    {"matmul", {{1, 2, 3}, {3}}, {1, 2}},
    {"matmul", {{2, 1, 2, 3}, {5, 3, 4}}, {2, 5, 2, 4}},
    {"matmul", {{1, 2, 3}, {3, 4}}, {1, 2, 4}},
    {"matmul", {{2, 3}, {1, 1, 3, 4}}, {1, 1, 2, 4}},
    {"matmul batch=* m=*", {{7, 2, 3}, {3, 4}}, {7, 2, 4}},
    {"matmul batch=*x*", {{7, 1, 2, 3}, {1, 5, 3, 4}}, {7, 5, 2, 4}},
    {"matmul ta=1 tb=1", {{2, 3, 1}, {1, 4, 3}}, {2, 1, 4}},
    {"matmul ep=\"x * g + bias\" g=5x1x1", {{2, 5, 2, 3}, {3, 4}, {5, 1, 1}, {4}}, {2, 5, 2, 4}},
    {"matmul ta=1", {{1, 3, 1}, {1, 3, 4}}, {1, 1, 4}},
    {"matmul acc=1", {{1, 2, 3}, {1, 3, 4}, {1, 2, 4}}, {1, 2, 4}},
    {"matmul ep=bias+residual", {{1, 2, 3}, {1, 3, 4}, {4}, {1, 2, 4}}, {1, 2, 4}},
    {"matmul ep=\"x * s\" s=1x1x4", {{1, 2, 3}, {1, 3, 4}, {1, 1, 4}}, {1, 2, 4}},
    {"matmul const=b w=i8 a=i8 acc=1", {{1, 2, 3}, {1, 3, 4}, {1, 4}, {1, 2, 4}}, {1, 2, 4}},
    {"add", {{1, 1, 5}, {1}}, {1, 1, 5}},
    {"add", {{1}, {1, 1}}, {1, 1}},
    {"add", {{}, {}}, {}},
    {"map expr=\"a * b\" a=* b=1", {{1}, {1}}, {1}},
    {"where", {{1, 1}, {1}, {}}, {1, 1}},
    {"clamp", {{1, 1}, {}, {}}, {1, 1}},
    {"pow", {{}, {}}, {}},
    {"less a=*x* b=*", {{1, 1}, {1}}, {1, 1}},
    {"softmax", {{1}}, {1}},
    {"softmax axis=0", {{1, 1, 3}}, {1, 1, 3}},
    {"softmax x=*x*x*", {{1, 1, 1}}, {1, 1, 1}},
    {"reduce axis=0 f=sum", {{1}}, {}},
    {"reduce axis=1 f=mean", {{1, 1, 1}}, {1, 1}},
    {"reduce x=*x* axis=0 f=max", {{1, 7}}, {7}},
    {"reduce axis=0,2 f=sum", {{1, 7, 1}}, {7}},
    {"reduce axis=0,2 f=sum keepdims=1", {{3, 7, 2}}, {1, 7, 1}},
    {"reduce x=*x*x* axis=-1,0 f=prod keepdims=1", {{3, 7, 2}}, {1, 7, 1}},
    {"reduce axis=all f=mean", {{3, 7}}, {}},
    {"reduce axis=all f=max keepdims=1", {{1, 7}}, {1, 1}},
    {"reduce axis=all f=sum", {{}}, {}},
    {"layernorm axis=1", {{2, 1, 3}, {1, 3}, {1, 3}}, {2, 1, 3}},
    {"layernorm axis=0 bias=0", {{1, 1}, {1, 1}}, {1, 1}},
    {"rmsnorm axis=-2 x=*x1x3", {{1, 1, 3}, {1, 3}}, {1, 1, 3}},
    {"layernorm", {{1, 1}, {1}, {1}}, {1, 1}},
    {"rmsnorm", {{1}, {1}}, {1}},
    {"embedding", {{1}, {1, 1}}, {1, 1}},
    {"embedding", {{}, {4, 3}}, {3}},
    {"embedding", {{1, 2}, {4, 3}}, {1, 2, 3}},
    {"embedding t=*x* v=* d=*",
     {{
          1,
          1,
      },
      {4, 1}},
     {1, 1, 1}},
    {"transpose", {{1, 1, 3}}, {3, 1, 1}},
    {"transpose", {{}}, {}},
    {"cast to=i64", {{1, 7}}, {1, 7}},
    {"cast to=bool", {{}}, {}},
    {"rope", {{1, 1, 2}, {1, 2}}, {1, 1, 2}},
    {"attention", {{1, 1, 1}, {1, 1, 1}, {1, 1, 1}}, {1, 1, 1}},
    {"attention", {{1, 1, 2, 8}, {1, 3, 1, 8}, {1, 3, 1, 8}}, {1, 1, 2, 8}},
    {"attention", {{4, 2, 8}, {3, 1, 8}, {3, 1, 5}}, {4, 2, 5}},
    {"attention", {{4, 2, 8}, {3, 1, 8}, {3, 1, 8}, {4, 3}}, {4, 2, 8}},
    {"attention", {{5, 4, 2, 8}, {5, 3, 1, 8}, {5, 3, 1, 6}, {5, 1, 1, 3}, {5}}, {5, 4, 2, 6}},
    {"attention causal=1", {{5, 4, 2, 8}, {5, 3, 1, 8}, {5, 3, 1, 8}, {5}}, {5, 4, 2, 8}},
    {"attention q=* kv=* batch=*", {{5, 4, 2, 8}, {5, 3, 1, 8}, {5, 3, 1, 8}, {5, 1, 4, 3}}, {5, 4, 2, 8}},
    {"attention q=* kv=*", {{1, 2, 8}, {1, 1, 8}, {1, 1, 8}}, {1, 2, 8}},
};

}  // namespace

TEST_CASE("the result has the rank of its inputs") {
  for (const Case& one : kCases) {
    auto desc = parseOpFor(one.op, one.inputs);
    INFO(one.op << (desc ? " is " + text(*desc) : ": " + desc.error().message));
    REQUIRE(desc);
    auto dims = bindDims(*desc, one.inputs);
    INFO((dims ? "" : dims.error().message));
    REQUIRE(dims);
    OpDesc bound = fixed(*desc, *dims);
    CHECK(outputOf(bound).extents() == one.out);
    CHECK(bindDims(bound, one.inputs));
    auto again = parseOp(text(bound));
    REQUIRE(again);
    CHECK(outputOf(*again).dims.size() == one.out.size());
  }
}

TEST_CASE("a key that an op does not have is named, whatever arrays come with it") {
  const std::vector<std::vector<int64_t>> kShapes[] = {
      {{2, 4}}, {{2, 4}, {4}}, {{2, 4}, {4}, {4}}, {{}}, {{2, 4, 6}, {2, 4, 6}, {2, 4, 6}}};
  int named = 0;
  for (const OpListing& op : listOps()) {
    if (op.name == "map") continue;  // expr= is what it misses first
    for (const auto& shapes : kShapes) {
      auto refused = parseOpFor(op.name + " nonsense=1", shapes);  // no crash, where arrays are too few
      INFO(op.name);
      REQUIRE_FALSE(refused);
      INFO(refused.error().message);
      if (refused.error().message.find("unknown key 'nonsense'") != std::string::npos) ++named;
    }
  }
  CHECK(named > 60);
  for (const char* op : {"softmax", "reduce", "transpose", "cast", "layernorm", "rmsnorm"})  // of one array of any rank
    for (const std::vector<int64_t>& shape : {std::vector<int64_t>{2, 4}, {3}, {2, 3, 4}}) {
      auto refused = parseOpFor(std::string(op) + " nonsense=1", {{shape}});
      INFO(op);
      REQUIRE_FALSE(refused);
      CHECK(refused.error().message.find("unknown key 'nonsense'") != std::string::npos);
    }
}
