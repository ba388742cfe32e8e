// tools/peers/OpenBlas.cpp — OpenBLAS's sgemm and sgemv as a peer.
#include "tools/peers/PlugIn.h"

#include <cblas.h>

using namespace quern::peer;

namespace {

constexpr NamedLevel kCores[] = {{"SkylakeX", "x86-64-v4"},
                                 {"Cooperlake", "x86-64-v4"},
                                 {"Sapphirerapids", "x86-64-v4"},
                                 {"SapphireRapids", "x86-64-v4"},
                                 {"Haswell", "x86-64-v3"},
                                 {"Zen", "x86-64-v3"},
                                 {"Excavator", "x86-64-v3"},
                                 {"Nehalem", "x86-64-v2"},
                                 {"Prescott", "x86-64"},
                                 {"Core2", "x86-64"},
                                 {"Katmai", "x86-64"},
                                 {"Coppermine", "x86-64"}};

const char* path() { return openblas_get_corename(); }
const char* level() {
#if defined(__x86_64__)
  return levelOf(kCores, path(), "x86-64-v2");
#else
  return "aarch64";
#endif
}
const char* valueFor(const char* level) { return nameOf(kCores, level); }

/// "OpenBLAS 0.3.21 ..." without the name and what follows.
const char* libraryVersion() {
  static char version[32];
  std::sscanf(openblas_get_config(), "OpenBLAS %31s", version);
  return version;
}

void gemm(const QuernPeerMatmul& op) {
  auto m = static_cast<int>(op.m), n = static_cast<int>(op.n), k = static_cast<int>(op.k);
  for (int64_t i = 0; i < op.batch; ++i)
    cblas_sgemm(CblasRowMajor, op.ta ? CblasTrans : CblasNoTrans, op.tb ? CblasTrans : CblasNoTrans, m, n, k, 1, op.a + i * op.m * op.k,
                op.ta ? m : k, op.b + i * op.k * op.n, op.tb ? k : n, op.acc ? 1 : 0, op.c + i * op.m * op.n, n);
}

void gemv(const QuernPeerMatmul& op) {
  for (int64_t i = 0; i < op.batch; ++i) {
    Matvec call = matvecOf(op, i);
    auto rows = static_cast<int>(call.rows), columns = static_cast<int>(call.columns);
    cblas_sgemv(CblasRowMajor, call.transposed ? CblasTrans : CblasNoTrans, rows, columns, 1, call.matrix, columns, call.x, 1,
                op.acc ? 1 : 0, call.y, 1);
  }
}

void* prepare(const QuernPeerMatmul* op, char* text, size_t textBytes) {
  if (op->bytes != nullptr) return say(text, textBytes, kFloatsOnly), nullptr;
  if (!fitsInt(*op)) return say(text, textBytes, "a size above 2^31 - 1"), nullptr;
  openblas_set_num_threads(op->threads);
  return quickerGemm(*op, gemm, gemv, text, textBytes);
}

void run(void* handle) {
  const auto& made = *static_cast<Gemm*>(handle);
  made.vector ? gemv(made.op) : gemm(made.op);
}

void release(void* handle) { delete static_cast<Gemm*>(handle); }

constexpr QuernPeer kPeer = {kQuernPeerVersion, "openblas", 0,      "OPENBLAS_CORETYPE", libraryVersion, path, level, valueFor, prepare,
                             nullptr,           run,        release};

}  // namespace

extern "C" __attribute__((visibility("default"))) const QuernPeer* quernPeer() { return &kPeer; }
