// compiler/loops/ops/AttentionTile.h — what attention does with one tile of keys: scores, their softmax so far, weighted values.
#pragma once

#include "compiler/loops/ops/AttentionPairs.h"

#include <optional>

namespace quern {

/// The running maximum and sum of rows, and their values so far.
struct AttentionState {
  BufferRef highest, sum;  ///< one per row
  BufferRef values;        ///< [row, v_dim]
};

/// One row's maximum and sum, and where its values are: buffer[index..., column].
struct AttentionPart {
  Value highest, sum;
  BufferRef values;
  std::vector<Value> index;
};

/// Builds the loops of tiles for one op and schedule.
///
/// Keys come in tiles (kKeyTile) and segments (kKeySegment) at absolute positions, so that a row's bits depend on its own keys alone:
/// the same for a prompt in one piece, in chunks or token by token, for any schedule and thread count.
///
///   score     s = factor * dot; partial p (0 <= p < 16) of the dot takes components p, p + 16, ... ascending; p takes in p + 8; the
///             eight are added ascending; then softcap tanh(s (1 / softcap)), then s + mask
///   tile      m' = max(m, s ...); p = exp(s - m'); tile sums of p fold in halves, of p v run over ascending keys from +0
///   a=bf16    the products as op/AttentionOp.h has them, p rounded before it is summed and multiplied; the rest alike
///   segment   l = l f + sum, o = o f + tile's values, f = exp(m - m'), over ascending tiles from m = -Inf, l = o = 0
///   row       segments merge likewise, ascending; out = o (1 / l)
class AttentionTile {
public:
  AttentionTile(OpBuild& build, const AttentionOp& op, const AttentionSchedule& schedule);

  /// m = -Inf, l = 0, o = 0 for rows [0, rows).
  void clear(const AttentionState& state, const Value& rows);
  void clear(const AttentionState& state, const Value& place, const std::vector<Value>& index);
  /// The query of a task's row is taken in, where it is rounded first.
  bool roundsQueries() const { return pairs_.has_value(); }
  void takeQuery(const Value& row, const Value& token, const Value& head) { pairs_->takeQuery(query, row, token, head); }
  /// A tile's keys and values are meant from here.
  void at(const AttentionPlace& place) { at_ = place; }
  /// With pack=kv, or rounded, `count` keys are turned into a copy.
  void takeKeys(const Value& count);
  /// The scores of these keys for rows, and their exponentials; what was summed before is scaled in weigh.
  void score(const AttentionState& state, const AttentionRows& rows);
  /// The same for values, after the scores of all rows. They are weighed in blocks of columns, one after the other.
  void takeValues(const Value& count);
  int64_t valueBlocks() const;
  void weigh(const AttentionState& state, const AttentionRows& rows, int64_t block);
  /// With dots=amx: around what a task does; and the products of the kTileRows rows from `row` on, of which none sees a key from
  /// `limit` on, before score() or weigh() of any of them.
  void inTiles(const std::function<void()>& body);
  bool onTiles() const { return pairs_ && pairs_->onTiles(); }
  void scoreOnTiles(const Value& row, const Value& limit);
  void weighOnTiles(const Value& row, const Value& limit, int64_t block);
  /// A segment's part joins the row at `place` of `into`, whose values are at `index` of their buffer.
  void merge(const AttentionState& into, const Value& place, const std::vector<Value>& index, const AttentionPart& part);
  /// A vector loop over the columns of values.
  void columns(const std::function<void(const Value& at, int lanes, const Value* mask)>& step);

  BufferRef query, keys, values, out, lens, sinks;
  /// One over the sum of a row's exponentials; with sinks that of its head is among them.
  Value inverseOf(const AttentionState& state, const Value& place, const Value& head);

private:
  static constexpr int kDotPartials = 16;

  void turn(const Value& c, const Value& count, const Value& d, int columns);
  /// Prefetches, where tiles are copied, these rows' share of the keys or values of a tile: spread over the arithmetic of all rows.
  void askFor(const BufferRef& from, const Value& tile0, const AttentionRows& rows);
  /// Of the tile's keys each row sees those from `from` (empty: the first) to before `count`.
  struct Seen {
    std::vector<Value> count, from;
  };
  /// How many keys of the tile are before `limit`.
  Value countOf(const Value& limit);
  Seen seenBy(const AttentionRows& rows);
  /// Bool: a row sees a key of the tile (or this row does); a row does not see all.
  static Value seesAny(const Seen& seen);
  static Value seesAny(const Seen& seen, size_t row);
  static Value seesPart(const Seen& seen);
  Value laneMask(const Seen& seen, int u, const Value& j) const;
  void scoreInPlace(const AttentionRows& rows, const Seen& seen);
  void scoreGroup(const AttentionRows& rows, const Value& j, const Value* last);
  void dots(const AttentionRows& rows, const Value& j, const Value& c, int64_t keyCount, const Value* last);
  Value addedPartials();
  void scoreCopied(const AttentionRows& rows, const Seen& seen);
  void addPartials(const AttentionRows& rows, const RegArray& total, const Value& p, int64_t terms, int64_t upperTerms, const Value& j);
  /// An index of Q, K, V or out: with the batch in front where they have one.
  std::vector<Value> inBatch(std::vector<Value> index) const;
  /// Scores as softcap and mask make them. `seen` null: all 64 count.
  void adjust(const AttentionRows& rows, const Seen* seen);
  Value maskAt(const AttentionRows& rows, int u, const Value& j, const Value* lanes);
  void normalise(const AttentionState& state, const AttentionRows& rows, const Seen* seen);
  /// columns.acc[row][vector] += the weights of their keys times the values.
  void addValues(const AttentionRows& rows, const Seen* seen, const AttentionPairs::Columns& columns);
  /// Vectors [first, end) of columns.
  void weighRows(const AttentionState& state, const AttentionRows& rows, const Seen* seen, int64_t first, int64_t end);
  /// Values so far, and sum(u, c) of vector c from `first` on.
  void join(const AttentionState& state, const AttentionRows& rows, const Seen* seen, int64_t first, int64_t vectors,
            const std::function<Value(int u, int64_t c)>& sum);
  void joinTiles(const AttentionState& state, const AttentionRows& rows, const Seen& seen, int64_t first, int64_t end);

  OpBuild& build_;
  const AttentionOp& op_;
  const AttentionSchedule& s_;
  int lanes_;
  BufferRef scores_;    ///< [tiles, rows, 64]; of matrix tiles also sums of 64 columns
  BufferRef factors_;   ///< [tiles, rows]
  BufferRef partials_;  ///< [lanes, 16], with pack=none
  BufferRef mask_;
  BufferRef copy_;  ///< of a tile, with pack=kv: keys as [head_dim, 64], then values as [64, v_dim]
  AttentionPlace at_;
  std::optional<AttentionPairs> pairs_;  ///< with a=bf16, whose copies are its own
};

}  // namespace quern
