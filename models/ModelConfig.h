// models/ModelConfig.h — a transformer's sizes: from a model file's metadata, a config.json, or a file of configs/models.
#pragma once

#include "compiler/base/Result.h"
#include "compiler/op/RopeOp.h"

#include <cstdint>
#include <string>
#include <vector>

namespace quern {

/// Angles of rotary positions: pair i of position p turns by p base^(-2 i / W), W the elements of a head that are turned, its frequency
/// scaled as `scaling` says.
struct RopeConfig {
  /// Linear: every frequency / factor. Llama3: wave lengths above original / lowFactor are stretched by factor, those below
  /// original / highFactor stay, between them both are mixed. Yarn: pairs that turn more than betaFast times within the original context
  /// stay, those that turn less than betaSlow times are stretched by factor, between them both are mixed. Long: frequency i is divided by
  /// shortFactors[i] or, where the context is longer than the original one, by longFactors[i].
  enum class Scaling : uint8_t { None, Linear, Llama3, Yarn, Long };
  RopePairs pairs = RopePairs::Half;
  double base = 10000;
  Scaling scaling = Scaling::None;
  double factor = 1, lowFactor = 1, highFactor = 4, originalContext = 8192;
  double betaFast = 32, betaSlow = 1;
  bool wholePairs = true;  ///< of Yarn: the mix begins and ends at a pair, not between two
  double magnitude = 1;    ///< what cosines and sines are multiplied by
  std::vector<float> shortFactors, longFactors;
};

/// What a layer has of its own.
struct LayerConfig {
  static constexpr int64_t kAlike = -1;  ///< as many as the model says
  int64_t heads = kAlike;                ///< 0: it attends to nothing and adds nothing
  int64_t kvHeads = kAlike;              ///< 0: in place of attention there is Wo alone
  int64_t hidden = kAlike;               ///< of its feed-forward; 0: it has none
  int64_t window = 0;                    ///< keys that a row sees at most; 0: all before it
  bool turned = true;                    ///< positions by rope
  bool local = false;                    ///< ... by localRope
};

/// Which rows of an encoder's text its vector is made of: the mean of all, or the first one.
enum class Pooling : uint8_t { Mean, First };

/// A decoder or an encoder: how its architecture reads these is said in models/arch/.
struct ModelConfig {
  std::string name;
  std::string architecture = "gpt2";  ///< a name in models/arch/Architecture.h
  int64_t vocab = 0, context = 0, width = 0, layers = 0, heads = 0, hidden = 0;
  int64_t kvHeads = 0;           ///< 0: as many as heads
  int64_t headSize = 0;          ///< 0: width / heads
  std::string gelu = "sigmoid";  ///< erf, tanh, sigmoid
  float eps = 1e-5f;
  bool tied = false;    ///< the head is the token embedding
  bool rotary = false;  ///< positions by rope, not by a table
  RopeConfig rope;
  RopeConfig localRope;                                          ///< of layers that say so
  int64_t turned = 0;                                            ///< of a head's elements the first so many are turned; 0: all
  std::vector<LayerConfig> perLayer;                             ///< empty: all alike
  double attentionScale = 0;                                     ///< of scores; 0: 1 / sqrt(headDim)
  double scoreCap = 0, logitCap = 0;                             ///< c tanh(x / c) of scores, of logits; 0: as they are
  double embeddingScale = 1, residualScale = 1, logitScale = 1;  ///< what rows of the table, what layers add, logits are multiplied by
  int64_t experts = 0, usedExperts = 0;  ///< of each layer's feed-forward, and how many each row goes through; 0: it is one
  int64_t expertHidden = 0;              ///< of an expert; 0: hidden
  bool normalisedExperts = true;         ///< the weights of those that are used sum to 1
  int64_t sharedHidden = 0;              ///< of the expert that every row goes through beside them; 0: there is none
  bool parallel = false;                 ///< attention and feed-forward both of a layer's input
  bool headNorms = false;                ///< heads of q and k are normed by gains of their own
  bool encoder = false;                  ///< makes vectors of texts; rows see all of their text
  Pooling pooling = Pooling::Mean;
  int64_t segments = 0;       ///< rows of an encoder's table of segments, of which all texts are in the first; 0: it has none
  int64_t firstPosition = 0;  ///< the row of the table of positions that a text's first token has
  int32_t seed = 42;          ///< of random weights

  int64_t headDim() const { return headSize != 0 ? headSize : width / heads; }
  int64_t keyHeads() const { return kvHeads != 0 ? kvHeads : heads; }
  int64_t turnedDim() const { return turned != 0 ? turned : headDim(); }
  /// Sizes in it are those that hold.
  LayerConfig layer(int64_t i) const;
  /// Whether layers have heads or a feed-forward of other sizes than each other; `heads`, `kvHeads` and `hidden` are the largest then.
  bool ownSizes() const;
  /// Errors   BadInput naming the field, its value and what would be right.
  Result<void> validate(const std::string& subject) const;
};

}  // namespace quern
