// tools/peers/Blis.cpp — BLIS's sgemm and sgemv (its typed API) as a peer.
#include "tools/peers/PlugIn.h"

#include <blis.h>

using namespace quern::peer;

namespace {

constexpr NamedLevel kConfigurations[] = {{"skx", "x86-64-v4"},       {"knl", "x86-64-v4"},    {"haswell", "x86-64-v3"},
                                          {"zen", "x86-64-v3"},       {"zen2", "x86-64-v3"},   {"zen3", "x86-64-v3"},
                                          {"excavator", "x86-64-v3"}, {"penryn", "x86-64-v2"}, {"generic", "x86-64"}};

const char* path() {
  bli_init();  // asked for its path before that with BLIS_ARCH_TYPE set, BLIS aborts
  return bli_arch_string(bli_arch_query_id());
}
const char* level() {
#if defined(__x86_64__)
  return levelOf(kConfigurations, path(), "x86-64-v2");
#else
  return "aarch64";
#endif
}
/// BLIS 0.9 reads the number of a configuration, and any word as 0.
const char* valueFor(const char* level) {
  const char* name = nameOf(kConfigurations, level);
  static char number[12];
  for (int id = 0; name != nullptr && id < BLIS_NUM_ARCHS; ++id)
    if (std::strcmp(bli_arch_string(static_cast<arch_t>(id)), name) == 0) {
      std::snprintf(number, sizeof number, "%d", id);
      return number;
    }
  return nullptr;
}
const char* libraryVersion() { return bli_info_get_version_str(); }

void gemm(const QuernPeerMatmul& op) {
  float one = 1, beta = op.acc ? 1 : 0;
  for (int64_t i = 0; i < op.batch; ++i)
    bli_sgemm(BLIS_NO_TRANSPOSE, BLIS_NO_TRANSPOSE, op.m, op.n, op.k, &one, const_cast<float*>(op.a) + i * op.m * op.k, op.ta ? 1 : op.k,
              op.ta ? op.m : 1, const_cast<float*>(op.b) + i * op.k * op.n, op.tb ? 1 : op.n, op.tb ? op.k : 1, &beta,
              op.c + i * op.m * op.n, op.n, 1);
}

void gemv(const QuernPeerMatmul& op) {
  float one = 1, beta = op.acc ? 1 : 0;
  for (int64_t i = 0; i < op.batch; ++i) {
    Matvec call = matvecOf(op, i);
    bli_sgemv(call.transposed ? BLIS_TRANSPOSE : BLIS_NO_TRANSPOSE, BLIS_NO_CONJUGATE, call.rows, call.columns, &one,
              const_cast<float*>(call.matrix), call.columns, 1, const_cast<float*>(call.x), 1, &beta, call.y, 1);
  }
}

void* prepare(const QuernPeerMatmul* op, char* text, size_t textBytes) {
  if (op->bytes != nullptr) return say(text, textBytes, kFloatsOnly), nullptr;
  bli_thread_set_num_threads(op->threads);
  return quickerGemm(*op, gemm, gemv, text, textBytes);
}

void run(void* handle) {
  const auto& made = *static_cast<Gemm*>(handle);
  made.vector ? gemv(made.op) : gemm(made.op);
}

void release(void* handle) { delete static_cast<Gemm*>(handle); }

constexpr QuernPeer kPeer = {kQuernPeerVersion, "blis",  0,   "BLIS_ARCH_TYPE", libraryVersion, path, level, valueFor,
                             prepare,           nullptr, run, release};

}  // namespace

extern "C" __attribute__((visibility("default"))) const QuernPeer* quernPeer() { return &kPeer; }
