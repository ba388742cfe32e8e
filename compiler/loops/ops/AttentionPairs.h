// compiler/loops/ops/AttentionPairs.h — the products of attention with a=bf16: Q K^T and P V of a tile of keys, in words of two.
#pragma once

#include "compiler/loops/build/PairWords.h"
#include "compiler/loops/ops/AttentionRows.h"
#include "compiler/loops/ops/TileGrid.h"

#include <optional>

namespace quern {

/// Builds them for one op and schedule. Keys are turned once a tile, in words of two neighbours along head_dim, so that lanes lie along
/// keys; of values a word is two neighbouring keys of a column, made once a tile with pack=kv, else where it is used.
///
///   queries     i32 [rows][ceil(head_dim / 2)]   of a task
///   copy        i32 [ceil(head_dim / 2)][64]     of a tile's keys; then, with pack=kv, [32][head_dim] of its values, or, with dots=amx,
///                                                for each 64 of head_dim [32][64]
///   weights     i32 [tiles][rows][32]            exponentials of a tile's scores
///   non_finite  i32 [1]                          with dots=amx: not 0 where among a tile's values is a NaN or an Inf
///
/// With dots=amx sixteen rows at a time meet 32 keys, or columns of values, in two matrix tiles of sums: copy and weights are B and A as
/// they lie. A key that a row does not see has weight 0 there, which hides no NaN and no Inf: rows that see a part of such a tile are added
/// up as without.
class AttentionPairs {
public:
  AttentionPairs(OpBuild& build, const AttentionOp& op, const AttentionSchedule& schedule, const BufferRef& keys, const BufferRef& values);

  /// The query of a task's row, rounded.
  void takeQuery(const BufferRef& query, const Value& row, const Value& token, const Value& head);
  /// `count` keys, or values, of a tile are meant from here.
  void takeKeys(const AttentionPlace& at, const Value& count);
  void takeValues(const AttentionPlace& at, const Value& count);
  /// scores[slot, row, key] = Q . K, before its scale, of keys below `most`; what is behind those means nothing.
  void score(const AttentionPlace& at, const AttentionRows& rows, const Value& most, const BufferRef& scores);
  /// Keeps a row's 64 exponentials; gives them as they were rounded.
  std::vector<Value> keepWeights(const AttentionPlace& at, const Value& row, const std::vector<Value>& exponentials);

  /// Vectors of columns from column `first` on: acc[row][vector].
  struct Columns {
    int64_t first, vectors;
    RegArray acc;
  };
  /// Around what has matrix tiles, with dots=amx.
  void inTiles(const std::function<void()>& body);
  bool onTiles() const { return grid_.has_value(); }
  /// score() of the sixteen rows from `row` on, of `most` keys.
  void scoreOnTiles(const AttentionPlace& at, const Value& row, const Value& most, const BufferRef& scores);
  /// sums[slot, row, column - first] = the weights of the sixteen rows from `row` on times the values of `most` keys; kColumns columns, or
  /// what there is.
  void weighOnTiles(const AttentionPlace& at, const Value& row, const Value& most, int64_t first, const BufferRef& sums);
  /// Bool: the tile has a value that is not finite.
  Value hasNonFinite();
  static constexpr int64_t kColumns = kKeyTile;

  /// acc += weights times values, of the first counts[u] keys of each row; `counts` null: of all 64.
  void addValues(const AttentionPlace& at, const AttentionRows& rows, const std::vector<Value>* counts, const Columns& columns);

private:
  void turn(const AttentionPlace& at, const Value& c, const Value& last, const Value& pair, int side);
  /// Columns of values that lie together in the copy, those from a multiple of as many on.
  int64_t columnsTogether() const { return grid_ ? kColumns : op_.headDim.value; }
  /// Vectors of columns, `first` the first of those that a vector lies together with.
  void eachColumns(const std::function<void(const Value& column, int64_t first, int lanes, const Value* mask)>& step);
  std::vector<Value> placeOfKey(const Value& pair, const Value& key, int64_t more = 0) const;
  std::vector<Value> placeOfValue(const Value& pair, const Value& column, int64_t first) const;
  void takeAllValues(const AttentionPlace& at, const Value& count, const Value& last);
  void wordsOfOneKey(const AttentionPlace& at, const Value& key, int64_t from);
  /// Two neighbouring keys of columns; the second is none behind `last`.
  Value valueWord(const AttentionPlace& at, const Value& pair, const Value& column, int lanes, const Value* mask, const Value* last);

  OpBuild& build_;
  LoopBuilder& b_;
  const AttentionOp& op_;
  const AttentionSchedule& s_;
  int lanes_;
  int64_t words_;  ///< of a key or query
  BufferRef keys_, values_, queries_, copy_, weights_;
  std::optional<TileGrid> grid_;
  BufferRef nonFinite_;
};

}  // namespace quern
