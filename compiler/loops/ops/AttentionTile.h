// compiler/loops/ops/AttentionTile.h — what attention does with one tile of keys: scores, their softmax so far, weighted values.
#pragma once

#include "compiler/loops/build/OpBuild.h"

namespace quern {

/// The running maximum and sum of rows, and their values so far.
struct AttentionState {
  BufferRef highest, sum;  ///< one per row
  BufferRef values;        ///< [row, head_dim]
};

/// One row's maximum and sum, and where its values are: buffer[index..., column].
struct AttentionPart {
  Value highest, sum;
  BufferRef values;
  std::vector<Value> index;
};

/// A few rows (queries of heads that share keys) that are computed together; later rows see as many keys or more.
struct AttentionRows {
  int count = 1;
  Value place;                            ///< of the first, in the state
  std::vector<Value> query, head, limit;  ///< of each: limit keys count
};

/// Builds the loops of tiles for one op and schedule.
///
/// Keys come in tiles (kKeyTile) and segments (kKeySegment) at absolute positions, so that a row's bits depend on its own keys alone:
/// the same for a prompt in one piece, in chunks or token by token, for any schedule and thread count.
///
///   score     s = factor * dot; partial p (0 <= p < 16) of the dot takes components p, p + 16, ... ascending; p takes in p + 8; the
///             eight are added ascending
///   tile      m' = max(m, s ...); p = exp(s - m'); tile sums of p fold in halves, of p v run over ascending keys from +0
///   segment   l = l f + sum, o = o f + tile's values, f = exp(m - m'), over ascending tiles from m = -Inf, l = o = 0
///   row       segments merge likewise, ascending; out = o (1 / l)
class AttentionTile {
public:
  AttentionTile(OpBuild& build, const AttentionOp& op, const AttentionSchedule& schedule);

  /// m = -Inf, l = 0, o = 0 for rows [0, rows).
  void clear(const AttentionState& state, const Value& rows);
  void clear(const AttentionState& state, const Value& place, const std::vector<Value>& index);
  /// The keys from tile0 on, of key/value head kvHead, are meant from here; their scores are kept at `slot` of `tiles`.
  void at(const Value& kvHead, const Value& tile0, const Value& slot);
  /// With pack=kv, `count` keys are turned into a copy.
  void takeKeys(const Value& count);
  /// The scores of these keys for rows, and their exponentials; what was summed before is scaled in weigh.
  void score(const AttentionState& state, const AttentionRows& rows);
  /// The same for values, after the scores of all rows.
  void takeValues(const Value& count);
  void weigh(const AttentionState& state, const AttentionRows& rows);
  /// A segment's part joins the row at `place` of `into`, whose values are at `index` of their buffer.
  void merge(const AttentionState& into, const Value& place, const std::vector<Value>& index, const AttentionPart& part);
  /// A vector loop over head_dim.
  void columns(const std::function<void(const Value& at, int lanes, const Value* mask)>& step);

  BufferRef query, keys, values, out;

private:
  void turn(const Value& c, const Value& count, const Value& d, int columns);
  /// Prefetches, where tiles are copied, these rows' share of the keys or values of a tile: spread over the arithmetic of all rows.
  void askFor(const BufferRef& from, const Value& tile0, const AttentionRows& rows);
  std::vector<Value> countsOf(const AttentionRows& rows);
  void scoreInPlace(const AttentionRows& rows, const Value& most);
  void scoreGroup(const AttentionRows& rows, const Value& j, const Value* last);
  void dots(const AttentionRows& rows, const Value& j, const Value& c, int64_t keyCount, const Value* last);
  Value addedPartials();
  void scoreCopied(const AttentionRows& rows, const Value& most);
  void addPartials(const AttentionRows& rows, const RegArray& total, const Value& p, int64_t terms, int64_t upperTerms, const Value& j);
  /// `counts` null: all 64 count.
  void normalise(const AttentionState& state, const AttentionRows& rows, const std::vector<Value>* counts);
  void weighRows(const AttentionState& state, const AttentionRows& rows, const std::vector<Value>* counts);

  OpBuild& build_;
  const AttentionOp& op_;
  const AttentionSchedule& s_;
  int lanes_;
  BufferRef scores_;    ///< [tiles, rows, 64]
  BufferRef factors_;   ///< [tiles, rows]
  BufferRef partials_;  ///< [lanes, 16], with pack=none
  BufferRef copy_;      ///< of a tile, with pack=kv: keys as [head_dim, 64], then values as [64, head_dim]
  Value kvHead_, tile0_, slot_;
};

}  // namespace quern
