// tools/peers/Eigen.cpp — Eigen's matrix product as a peer, compiled once for each level (QUERN_PEER_LEVEL).
#include "tools/peers/PlugIn.h"

#include <Eigen/Core>

using namespace quern::peer;

namespace {

using Matrix = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
using Input = Eigen::Map<const Matrix>;

const char* path() {
#if defined(EIGEN_VECTORIZE_AVX512)
  return "AVX512";
#elif defined(EIGEN_VECTORIZE_AVX2) && defined(EIGEN_VECTORIZE_FMA)
  return "AVX2 and FMA";
#else
  return Eigen::SimdInstructionSetsInUse();
#endif
}
const char* level() { return QUERN_PEER_LEVEL; }
const char* valueFor(const char*) { return nullptr; }
const char* libraryVersion() {
  static char version[32];
  std::snprintf(version, sizeof version, "%d.%d.%d", EIGEN_WORLD_VERSION, EIGEN_MAJOR_VERSION, EIGEN_MINOR_VERSION);
  return version;
}

/// c = a b or c += a b; Eigen takes its matrix-vector product by itself where a side is a vector.
template <class A, class B>
void multiply(const QuernPeerMatmul& op, float* c, const A& a, const B& b) {
  Eigen::Map<Matrix> out(c, op.m, op.n);
  if (op.acc) out.noalias() += a * b;
  else out.noalias() = a * b;
}

void product(const QuernPeerMatmul& op) {
  for (int64_t i = 0; i < op.batch; ++i) {
    Input a(op.a + i * op.m * op.k, op.ta ? op.k : op.m, op.ta ? op.m : op.k),
        b(op.b + i * op.k * op.n, op.tb ? op.n : op.k, op.tb ? op.k : op.n);
    float* c = op.c + i * op.m * op.n;
    if (op.ta && op.tb) multiply(op, c, a.transpose(), b.transpose());
    else if (op.ta) multiply(op, c, a.transpose(), b);
    else if (op.tb) multiply(op, c, a, b.transpose());
    else multiply(op, c, a, b);
  }
}

void* prepare(const QuernPeerMatmul* op, char* text, size_t textBytes) {
  if (op->bytes != nullptr) return say(text, textBytes, kFloatsOnly), nullptr;
#if !defined(EIGEN_HAS_OPENMP)
  if (op->threads > 1) return say(text, textBytes, "built without OpenMP: one thread only"), nullptr;
#endif
  Eigen::setNbThreads(op->threads);
  say(text, textBytes, isMatvec(*op) ? "vector product" : "matrix product");
  return new QuernPeerMatmul(*op);
}

void run(void* handle) { product(*static_cast<QuernPeerMatmul*>(handle)); }
void release(void* handle) { delete static_cast<QuernPeerMatmul*>(handle); }

constexpr QuernPeer kPeer = {kQuernPeerVersion, "eigen", 0, nullptr, libraryVersion, path, level, valueFor, prepare, nullptr, run, release};

}  // namespace

extern "C" __attribute__((visibility("default"))) const QuernPeer* quernPeer() { return &kPeer; }
