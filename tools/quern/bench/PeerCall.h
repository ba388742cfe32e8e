// tools/quern/bench/PeerCall.h — an op in the terms of the peers' C table.
#pragma once

#include "compiler/op/OpDesc.h"
#include "tools/peers/Peer.h"
#include "tuner/check/KernelCheck.h"

#include <string>
#include <variant>

namespace quern {

/// The op as a peer takes it: pointers into the inputs, none to the result.
struct PeerCall {
  std::variant<QuernPeerMatmul, QuernPeerVector> op;
  ScalarExprRef epilogue;      ///< of a matmul; null: none
  bool wantsPositive = false;  ///< log and sqrt: peers leave their usual path at a negative number
  std::string cannot;          ///< why no peer can do it; empty: a peer may
};

/// `op`: all dimensions known.
PeerCall peerCallOf(const OpDesc& op, const CheckInputs& inputs, int threads);

/// c = epilogue(c): what a peer without epilogues leaves out, for the comparison of results.
void applyEpilogue(const PeerCall& call, float* c, size_t elements);

}  // namespace quern
