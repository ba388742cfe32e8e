// tools/peers/Peer.h — what a plug-in that wraps a peer's matmul offers: a C ABI, so that the program links no peer.
#pragma once

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { kQuernPeerVersion = 1 };

enum QuernPeerActivation { kQuernPeerNone, kQuernPeerGeluTanh, kQuernPeerGeluErf, kQuernPeerRelu, kQuernPeerSilu };

/// c[b,m,n] = activation( sum over k of a[b,m,k] * b[b,k,n] + bias[n] ) + residual[b,m,n]
///
/// Layout   dense row-major; ta: a is stored [k,m]; tb: b is stored [n,k]. acc: c is added to the product first.
/// Shapes   m, n, k, batch >= 1.
typedef struct QuernPeerMatmul {
  int64_t m, n, k, batch;
  int ta, tb, acc;
  int constB;             ///< b is a weight: prepare may pack it, run need not look at it again
  int activation;         ///< QuernPeerActivation
  const float *a, *b;
  float* c;
  const float *bias, *residual;  ///< null: none
  int threads;
} QuernPeerMatmul;

/// The entry point: quernPeer(). Strings live as long as the library. Threads: all calls from one.
typedef struct QuernPeer {
  int version;            ///< kQuernPeerVersion
  const char* name;       ///< the word of --against
  int fusesEpilogue;      ///< 0: leaves out bias, activation and residual, and is timed without them
  const char* variable;   ///< the environment variable that moves the library's path, read when it is loaded; null: none
  const char* (*libraryVersion)(void);
  const char* (*path)(void);                   ///< the instruction-set path in use, in the library's own words
  const char* (*level)(void);                  ///< that path's level: x86-64, x86-64-v2, x86-64-v3, x86-64-v4, aarch64
  const char* (*valueFor)(const char* level);  ///< what `variable` is set to for a level; null: no such path
  /// Packs, creates, and keeps the quickest way it finds; it may run the op, so c holds anything after.
  /// The handle, with the way chosen in `text`; or null, with the reason.
  void* (*prepare)(const QuernPeerMatmul* op, char* text, size_t textBytes);
  void (*run)(void* handle);      ///< one call, no allocation of ours
  void (*release)(void* handle);
} QuernPeer;

#ifdef __cplusplus
}
#endif
