// tests/golden/GoldenTest.cpp — printed loop programs, one file per case. QUERN_UPDATE_GOLDEN=1 rewrites them.
#include "compiler/base/Files.h"
#include "compiler/loops/ir/LoopPrinter.h"
#include "compiler/loops/Lower.h"
#include "tests/Folders.h"
#include "tests/Support.h"

#include <cstdlib>
#include <fmt/format.h>

using namespace quern;

namespace {

struct Case {
  const char* file;
  const char* op;
  const char* cpu;
  const char* schedule;
};

const Case kCases[] = {
    {"matmul-packed", "matmul m=* n=100 k=700 const=b ep=bias+relu", "x86-64-v4", "mr=6 nr=48 kc=256 unroll_k=2"},
    {"matmul-near", "matmul m=* n=100 k=700 const=b", "x86-64-v4",
     "mr=6 nr=48 kc=256 pack=ab inner=rows prefetch_panel=2 prefetch_c=below"},
    {"matmul-plain", "matmul m=17 n=20 k=30 acc=1", "haswell", ""},
    {"matmul-transposed", "matmul m=8 n=16 k=8 tb=1", "x86-64", ""},
    {"matmul-broadcast", "matmul m=5 n=20 k=30 batch=2x3 batch_a=2x1 batch_b=3", "haswell", "mr=2 nr=8"},
    {"matmul-shared", "matmul m=* n=20 k=30 batch=* batch_b=scalar const=b ep=residual", "x86-64", "mr=1 nr=4 unroll_k=1"},
    {"map-broadcast", "map expr=\"a * b + c\" a=4x5x6 b=6 c=4x1x1", "haswell", ""},
    {"map-streamed", "add a=*x30 b=*x30", "haswell", "stream=100000 unroll=2"},
    {"gelu", "gelu x=1000 form=sigmoid", "x86-64-v4", ""},
    {"map-where", "where c=*x20 a=20 b=*x1", "haswell", ""},
    {"pow", "pow a=40 b=40", "haswell", ""},
    {"sin", "sin x=1000", "x86-64-v4", ""},
    {"softmax", "softmax x=8x100", "haswell", ""},
    {"softmax-causal", "softmax x=*x* causal=1", "x86-64-v4", ""},
    {"reduce-columns", "reduce x=30x20 axis=0 f=sum", "haswell", ""},
    {"reduce-rows-apart", "reduce x=3x*x20 axis=0,2 f=sum", "x86-64-v4", ""},
    {"reduce-columns-apart", "reduce x=3x4x5x20 axis=0,2 f=max", "haswell", ""},
    {"reduce-product", "reduce x=3x20 axis=1 f=prod", "haswell", ""},
    {"layernorm-axes", "layernorm x=*x7x10 axis=1 bias=0", "x86-64-v4", ""},
    {"layernorm", "layernorm x=*x70", "x86-64-v4", ""},
    {"rmsnorm", "rmsnorm x=4x64", "neoverse-v1", ""},
    {"rmsnorm-q8", "rmsnorm x=4x64 residual=1 out=q8", "zen5", ""},
    {"embedding", "embedding t=* v=256 d=128", "haswell", ""},
    {"transpose", "transpose x=3x4x5 perm=2,0,1", "x86-64", ""},
    {"matmul-q4_K", "matmul m=1 n=40 k=256 const=b tb=1 w=q4_K", "x86-64-v4", "nr=16"},
    {"matmul-f16-pairs", "matmul m=* n=40 k=71 const=b w=f16 a=bf16 order=pairs", "zen5", "mr=2 nr=16 panel=16"},
    {"matmul-f16-tiles", "matmul m=40 n=32 k=96 const=b w=f16 a=bf16 order=tile32", "haswell", "kc=64"},
    {"matmul-q8_0-pairs", "matmul m=* n=40 k=64 tb=1 const=b w=q8_0 a=bf16 order=pairs", "zen5", "mr=2 nr=16 panel=16"},
    {"matmul-q6_K-tiles", "matmul m=2 n=16 k=256 tb=1 const=b w=q6_K a=bf16 order=tile32", "haswell", "nr=8 panel=16"},
    {"matmul-q5_1", "matmul m=1 n=16 k=32 tb=1 const=b w=q5_1", "haswell", "nr=8 panel=16"},
    {"matmul-q3_K-q8", "matmul m=1 n=16 k=256 tb=1 const=b w=q3_K a=q8", "haswell", "nr=8 panel=8"},
    {"matmul-iq4_nl-q8", "matmul m=1 n=32 k=32 tb=1 const=b w=iq4_nl a=q8", "zen5", "nr=16 panel=16"},
    {"matmul-mxfp4-pairs", "matmul m=* n=16 k=32 tb=1 const=b w=mxfp4 a=bf16 order=pairs", "zen5", "mr=2 nr=16 panel=16"},
    {"matmul-f32x3", "matmul m=* n=16 k=71 const=b a=f32x3 order=pairs", "zen5", "mr=2 nr=16 panel=16"},
    {"matmul-f32x3-tiles", "matmul m=2 n=8 k=64 const=b a=f32x3 order=tile32", "haswell", ""},
    {"matmul-i8", "matmul m=* n=40 k=37 const=b w=i8 a=i8 acc=1", "zen5", "mr=2 nr=32 unroll_k=2"},
    {"matmul-handed", "matmul m=* n=64 k=64 const=b tb=1 w=q4_0 a=q8 in=q8 out=q8 ep=bias", "zen5", "mr=2 nc=32"},
    {"matmul-amx", "matmul m=* n=40 k=100 const=b w=bf16 a=bf16 order=tile32 acc=1 ep=bias", "sapphirerapids", "kc=64"},
    {"matmul-f32x3-amx", "matmul m=16 n=20 k=70 const=b a=f32x3 order=tile32", "sapphirerapids", ""},
    {"matmul-i8-amx", "matmul m=* n=20 k=100 const=b w=i8 a=i8 acc=1", "sapphirerapids", ""},
    {"rope", "rope x=*x2x32 pairs=adjacent to=f16", "haswell", ""},
    {"cast", "cast x=*x20 to=f16", "x86-64", ""},
    {"cast-f64", "cast x=*x20 from=f64 to=bf16", "haswell", ""},
    {"cast-u8", "cast x=*x20 to=u8", "x86-64-v4", ""},
    {"attention", "attention heads=4 kv_heads=2 head_dim=32 q=* kv=* causal=1", "x86-64-v4", ""},
    {"attention-mask", "attention heads=2 kv_heads=1 head_dim=16 q=* kv=* causal=1 batch=* v_dim=8 softcap=30 mask=*x1x1x* lens=1",
     "haswell", "rows=4 mr=1 split=1"},
    {"attention-q8", "attention heads=2 kv_heads=1 head_dim=64 q=1 kv=* kv_type=q8_0", "haswell", ""},
    {"rope-q8", "rope x=*x2x64 pairs=half to=q8_0", "haswell", ""},
    {"attention-bf16", "attention heads=4 kv_heads=2 head_dim=32 q=* kv=* causal=1 kv_type=bf16 a=bf16 order=pairs", "zen5", ""},
    {"attention-amx", "attention heads=2 kv_heads=1 head_dim=96 q=* kv=* causal=1 kv_type=bf16 a=bf16 order=tile32", "sapphirerapids",
     "rows=16 mr=1"},
};

}  // namespace

TEST_CASE("loop programs are as recorded") {
  bool update = std::getenv("QUERN_UPDATE_GOLDEN") != nullptr;
  for (const Case& one : kCases) {
    OpDesc desc = op(one.op);
    Target target = cpu(one.cpu);
    auto program = lower(desc, schedule(one.schedule, desc, target), target);
    REQUIRE(program);
    std::string file = testsFile(fmt::format("golden/{}.loops", one.file));
    if (update) REQUIRE(writeFileAtomically(file, text(*program)));
    auto recorded = readFile(file);
    INFO(file << ": if the change is meant, QUERN_UPDATE_GOLDEN=1 tools/test golden rewrites it");
    REQUIRE(recorded);
    CHECK(*recorded == text(*program));
  }
}
