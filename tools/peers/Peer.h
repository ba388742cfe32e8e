// tools/peers/Peer.h — what a plug-in that wraps a peer offers: a C ABI, so that the program links no peer.
#pragma once

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { kQuernPeerVersion = 3, kQuernPeerMaxRank = 8 };

/// Functions of one element, of two, and over an axis; max and min are the last two.
enum QuernPeerFn {
  kQuernPeerNone,
  kQuernPeerGeluTanh,
  kQuernPeerGeluErf,
  kQuernPeerRelu,
  kQuernPeerSilu,
  kQuernPeerExp,
  kQuernPeerLog,
  kQuernPeerTanh,
  kQuernPeerSigmoid,
  kQuernPeerSqrt,
  kQuernPeerAbs,
  kQuernPeerAdd,
  kQuernPeerSub,
  kQuernPeerMul,
  kQuernPeerDiv,
  kQuernPeerSum,
  kQuernPeerMean,
  kQuernPeerMax,
  kQuernPeerMin
};

/// c[b,m,n] = activation( sum over k of a[b,m,k] * b[b,k,n] + bias[n] ) + residual[b,m,n]
///
/// Layout   dense row-major; ta: a is stored [k,m]; tb: b is stored [n,k]. acc: c is added to the product first.
/// Shapes   m, n, k, batch >= 1.
typedef struct QuernPeerMatmul {
  int64_t m, n, k, batch;
  int ta, tb, acc;
  int constB;      ///< b is a weight: prepare may pack it, run need not look at it again
  int activation;  ///< QuernPeerFn: none, a gelu, relu, silu
  const float *a, *b;
  float* c;
  const float *bias, *residual;  ///< null: none
  int threads;
  const int8_t* bytes;  ///< null: none; else scales[n] bytes[k,n] is what b would be, and a may be rounded to bytes, a row together
  const float* scales;
} QuernPeerMatmul;

enum QuernPeerVectorKind { kQuernPeerUnary, kQuernPeerBinary, kQuernPeerSoftmax, kQuernPeerLayerNorm, kQuernPeerReduce };

/// unary      out = fn(x)                            over all elements
/// binary     out = fn(x, y)                         y of the same rank; a dimension of 1, of x or y, stretches
/// softmax    out = exp(x) / sum exp(x)              along axis
/// layernorm  out = (x - mean) rstd gain + bias      along axis, the last; gain, bias: [width]
/// reduce     out = fn over axis of x                the axis stays, with a dimension of 1
///
/// Layout   dense row-major.
/// Shapes   1 <= rank <= kQuernPeerMaxRank, every dimension >= 1.
typedef struct QuernPeerVector {
  int kind;  ///< QuernPeerVectorKind
  int fn;    ///< QuernPeerFn of unary, binary and reduce
  int rank;
  int64_t x[kQuernPeerMaxRank], y[kQuernPeerMaxRank];  ///< dimensions; y: binary only
  int axis;
  float eps;           ///< layernorm's
  const float* in[3];  ///< x; then y, or gain and bias
  float* out;
  int threads;
} QuernPeerVector;

/// The entry point: quernPeer(). Strings live as long as the library. Threads: all calls from one.
typedef struct QuernPeer {
  int version;           ///< kQuernPeerVersion
  const char* name;      ///< the word of --against
  int fusesEpilogue;     ///< 0: leaves out bias, activation and residual, and is timed without them
  const char* variable;  ///< the environment variable that moves the library's path, read when it is loaded; null: none
  const char* (*libraryVersion)(void);
  const char* (*path)(void);                   ///< the instruction-set path in use, in the library's own words
  const char* (*level)(void);                  ///< that path's level: x86-64, x86-64-v2, x86-64-v3, x86-64-v4, aarch64
  const char* (*valueFor)(const char* level);  ///< what `variable` is set to for a level; null: no such path
  /// Packs, creates, and keeps the quickest way it finds; it may run the op, so c holds anything after.
  /// The handle, with the way chosen in `text`; or null, with the reason.
  void* (*prepare)(const QuernPeerMatmul* op, char* text, size_t textBytes);
  /// The same for a vector op; null: the library has matmul only.
  void* (*prepareVector)(const QuernPeerVector* op, char* text, size_t textBytes);
  void (*run)(void* handle);  ///< one call, no allocation of ours
  void (*release)(void* handle);
} QuernPeer;

#ifdef __cplusplus
}
#endif
