// tools/peers/PlugIn.h — what the plug-ins share: trying ways and keeping the quickest, and matrix-vector forms.
#pragma once

#include "tools/peers/Peer.h"

#include <algorithm>
#include <chrono>
#include <climits>
#include <cstdio>
#include <cstring>
#include <limits>
#include <string>

namespace quern::peer {

/// Seconds of the quickest of several calls, warm.
template <class Call>
double quickest(const Call& call) {
  auto now = [] { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); };
  call();
  double best = std::numeric_limits<double>::infinity(), start = now();
  for (int i = 0; i < 3 || (i < 1000 && now() - start < 0.03); ++i) {
    double begin = now();
    call();
    best = std::min(best, now() - begin);
  }
  return best;
}

inline void say(char* text, size_t textBytes, const std::string& what) { std::snprintf(text, textBytes, "%s", what.c_str()); }

inline constexpr const char* kFloatsOnly = "it multiplies floats only";

/// A library whose sizes are int.
inline bool fitsInt(const QuernPeerMatmul& op) { return std::max({op.m, op.n, op.k}) <= INT_MAX; }

/// A path's name in a library and its level, or a level and its name.
struct NamedLevel {
  const char* name;
  const char* level;
};

template <size_t N>
const char* levelOf(const NamedLevel (&table)[N], const char* name, const char* otherwise) {
  for (const NamedLevel& entry : table)
    if (std::strcmp(entry.name, name) == 0) return entry.level;
  return otherwise;
}

/// The first name of a level: tables list first the one to ask for.
template <size_t N>
const char* nameOf(const NamedLevel (&table)[N], const char* level) {
  for (const NamedLevel& entry : table)
    if (std::strcmp(entry.level, level) == 0) return entry.name;
  return nullptr;
}

/// One batch of a matmul with m or n of 1 as y = matrix x, or its transpose: every vector is contiguous then.
struct Matvec {
  const float *matrix, *x;
  float* y;
  int64_t rows, columns;  ///< as stored
  bool transposed;
};

inline bool isMatvec(const QuernPeerMatmul& op) { return op.m == 1 || op.n == 1; }

inline Matvec matvecOf(const QuernPeerMatmul& op, int64_t batch) {
  const float *a = op.a + batch * op.m * op.k, *b = op.b + batch * op.k * op.n;
  float* c = op.c + batch * op.m * op.n;
  if (op.m == 1) return {b, a, c, op.tb ? op.n : op.k, op.tb ? op.k : op.n, op.tb == 0};
  return {a, b, c, op.ta ? op.k : op.m, op.ta ? op.m : op.k, op.ta != 0};
}

/// What a gemm library prepares: the op, and whether its matrix-vector form won.
struct Gemm {
  QuernPeerMatmul op;
  bool vector = false;
};

/// Keeps the quicker of `gemm` and `gemv` where both can do it.
template <class GemmCall, class GemvCall>
Gemm* quickerGemm(const QuernPeerMatmul& op, const GemmCall& gemm, const GemvCall& gemv, char* text, size_t textBytes) {
  auto* made = new Gemm{op};
  if (isMatvec(op)) made->vector = quickest([&] { gemv(op); }) < quickest([&] { gemm(op); });
  say(text, textBytes, made->vector ? "sgemv" : "sgemm");
  return made;
}

}  // namespace quern::peer
