// compiler/loops/ops/AttentionLoops.cpp — attention: blocks of rows of one key/value head run over tiles of keys; segments of keys are
// merged as they are done, or, with split=1, by a phase of its own once all tasks have theirs.
#include "compiler/loops/ops/AttentionTile.h"
#include "compiler/loops/ops/OpLoops.h"
#include "compiler/loops/build/RowLoops.h"

#include <algorithm>

namespace quern {

namespace {

/// Row r of a key/value head g is query r / group of head g group + r % group: rows of one query lie together.
class Attention {
public:
  Attention(OpBuild& build, const AttentionOp& op, const AttentionSchedule& s)
      : build_(build),
        b_(build.b),
        op_(op),
        s_(s),
        tile_(build, op, s),
        group_(op.heads.value / op.kvHeads.value),
        queries_(build.dim({"q", op.q.value})),
        keys_(build.dim({"kv", op.kv.value})),
        heads_(op.batched ? build.dim({"batch", op.batch.value}) * op.kvHeads.value : Value(op.kvHeads.value)),
        rows_(queries_ * group_),
        segments_(maxOf(ceilDivOf(keys_, kKeySegment), 1)) {}

  /// One phase: every task does all segments of its rows; where there may be several, they meet in the result.
  void whole() {
    AttentionState running = threadState("");
    running.values = scratch("values", {s_.rows, op_.valueDim()});
    if (segments_.isConstant(1)) {
      eachBlock(1, [&](const Block& block, const Value&) {
        tile_.clear(running, block.rows);
        segmentOf(running, block, 0);
        b_.loop("r", 0, block.rows, 1, [&](const Value& r) { finish(running, r, {r}, block, placeOf(block, r)); });
      });
      return;
    }
    AttentionState merged = threadState("merged_");
    merged.values = tile_.out;
    eachBlock(1, [&](const Block& block, const Value&) {
      auto eachRow = [&](const std::function<void(const Value&, const RowPlace&)>& body) {
        b_.loop("r", 0, block.rows, 1, [&](const Value& r) { body(r, placeOf(block, r)); });
      };
      eachRow([&](const Value& r, const RowPlace& row) { tile_.clear(merged, r, row.ofOut()); });
      Value first = op_.window == 0 ? Value(0) : firstOf(block, placeOf(block, 0).query) / kKeySegment;
      b_.loop("segment", first, segments_, 1, [&](const Value& segment) {
        tile_.clear(running, block.rows);
        segmentOf(running, block, segment);
        eachRow([&](const Value& r, const RowPlace& row) {
          b_.when(seesSegment(block, row, segment), [&] {
            tile_.merge(merged, r, row.ofOut(), {b_.load(running.highest, {r}), b_.load(running.sum, {r}), running.values, {r}});
          });
        });
      });
      eachRow([&](const Value& r, const RowPlace& row) { finish(merged, r, row.ofOut(), block, row); });
    });
  }

  /// Two phases: tasks of one segment each, then the merge of each row.
  void split() {
    AttentionState running = threadState("");
    running.values = scratch("values", {s_.rows, op_.valueDim()});
    const Value& heads = heads_;
    auto shared = [&](const char* name, std::vector<Value> shape) {
      return b_.denseBuffer(name, Scalar::F32, BufferRole::SharedScratch, std::move(shape));
    };
    BufferRef highest = shared("highest_parts", {heads, rows_, segments_}), sum = shared("sum_parts", {heads, rows_, segments_});
    BufferRef values = shared("values_parts", {heads, rows_, segments_, op_.valueDim()});
    eachBlock(segments_, [&](const Block& block, const Value& segment) {
      tile_.clear(running, block.rows);
      segmentOf(running, block, segment);
      b_.loop("r", 0, block.rows, 1, [&](const Value& r) {
        Value row = b_.let("row", block.row0 + r);
        b_.store(highest, {block.part, row, segment}, b_.load(running.highest, {r}));
        b_.store(sum, {block.part, row, segment}, b_.load(running.sum, {r}));
        tile_.columns([&](const Value& at, int lanes, const Value* mask) {
          b_.store(values, {block.part, row, segment, at}, b_.load(running.values, {r, at}, lanes, mask), mask);
        });
      });
    });
    b_.phase(heads * rows_, [&](const Value& task) {
      Block block = blockOf(task / rows_, Value(), 1);
      block.row0 = b_.let("row", task % rows_);
      RowPlace row = placeOf(block, 0);
      tile_.clear(running, 1);
      Value first = firstOf(block, row.query) / kKeySegment;
      b_.loop("segment", first, ceilDivOf(limitOf(block, row.query), kKeySegment), 1, [&](const Value& segment) {
        tile_.merge(running, 0, {0},
                    {b_.load(highest, {block.part, block.row0, segment}),
                     b_.load(sum, {block.part, block.row0, segment}),
                     values,
                     {block.part, block.row0, segment}});
      });
      finish(running, 0, {0}, block, row);
    });
  }

private:
  /// Rows [row0, row0 + rows) of a key/value head.
  struct Block {
    Value kvHead, row0, rows;
    Value part;   ///< the head, counted through the batch
    Value batch;  ///< null: there is no such axis
    Value keys;   ///< how many there are
  };
  struct RowPlace {
    Value query, head, batch;
    std::vector<Value> ofOut() const {
      return batch.expr() == nullptr ? std::vector<Value>{query, head} : std::vector<Value>{batch, query, head};
    }
  };

  Block blockOf(const Value& which, const Value& row0, const Value& rows) {
    if (!op_.batched) {
      Value g = b_.let("g", which);
      return {g, row0, rows, g, {}, keys_};
    }
    Value part = b_.let("part", which), batch = b_.let("batch_at", part / op_.kvHeads.value);
    Value keys = op_.lens ? b_.let("len", minOf(maxOf(unary(LoopOp::ToI64, b_.load(tile_.lens, {batch})), 0), keys_)) : keys_;
    return {b_.let("g", part % op_.kvHeads.value), row0, rows, part, batch, keys};
  }

  BufferRef scratch(const std::string& name, std::vector<Value> shape) {
    return b_.denseBuffer(name, Scalar::F32, BufferRole::ThreadScratch, std::move(shape));
  }
  AttentionState threadState(const std::string& prefix) {
    return {scratch(prefix + "highest", {s_.rows}), scratch(prefix + "sum", {s_.rows}), {}};
  }

  RowPlace placeOf(const Block& block, const Value& r) {
    Value row = b_.let("row", block.row0 + r);
    return {b_.let("query", row / group_), group_ == 1 ? block.kvHead : b_.let("head", block.kvHead * group_ + row % group_), block.batch};
  }

  /// With causal: the key behind the query's own, whether it is there or not.
  Value behindOwn(const Block& block, const Value& query) {
    return op_.causal == Causal::TopLeft ? query + 1 : query + 1 + (block.keys - queries_);
  }
  /// Behind the last key that the query sees.
  Value limitOf(const Block& block, const Value& query) {
    if (op_.causal == Causal::No) return block.keys;
    return b_.let("limit", minOf(maxOf(behindOwn(block, query), 0), block.keys));
  }
  /// The first key that the query sees.
  Value firstOf(const Block& block, const Value& query) {
    if (op_.window == 0) return 0;
    return b_.let("first", minOf(maxOf(behindOwn(block, query) - op_.window, 0), limitOf(block, query)));
  }
  Value seesSegment(const Block& block, const RowPlace& row, const Value& segment) {
    Value begun = lessThan(segment * kKeySegment, limitOf(block, row.query));
    if (op_.window == 0) return begun;
    return binary(LoopOp::And, begun, lessThan(firstOf(block, row.query), (segment + 1) * kKeySegment));
  }

  /// The phase of tasks (key/value head, block of rows, segment of `segments`).
  void eachBlock(const Value& segments, const std::function<void(const Block&, const Value&)>& body) {
    Value blocks = ceilDivOf(rows_, s_.rows);
    b_.phase(blocks * heads_ * segments, [&](const Value& task) {
      Value segment = segments.isConstant(1) ? Value(0) : b_.let("part", task % segments);
      Value which = segments.isConstant(1) ? task : b_.let("block", task / segments);
      Value row0 = b_.let("row0", which % blocks * s_.rows);
      Block block = blockOf(which / blocks, row0, Value());
      block.rows = b_.let("rows", minOf(s_.rows, rows_ - row0));
      if (tile_.roundsQueries())
        b_.loop("r", 0, block.rows, 1, [&](const Value& r) {
          RowPlace row = placeOf(block, r);
          tile_.takeQuery(r, row.query, row.head);
        });
      tile_.inTiles([&] { body(block, segment); });
    });
  }

  /// Tiles of one segment, each for all rows of the block: keys and values of a tile stay near. `tiles` of them are scored before
  /// their values are added, so that few rows do not wait for each tile's exponentials.
  void segmentOf(const AttentionState& state, const Block& block, const Value& segment) {
    Value begin = b_.let("begin", segment * kKeySegment);
    Value end = b_.let("end", minOf(begin + kKeySegment, limitOf(block, placeOf(block, block.rows - 1).query)));
    if (op_.window != 0) begin = b_.let("from", maxOf(begin, firstOf(block, placeOf(block, 0).query) / kKeyTile * kKeyTile));
    b_.loop("chunk", begin, end, s_.tiles * kKeyTile, [&](const Value& chunk) {
      auto eachTile = [&](const std::function<void(const Value&)>& body) {
        b_.loop("tile", chunk, s_.tiles == 1 ? chunk + 1 : minOf(chunk + s_.tiles * kKeyTile, end), kKeyTile, [&](const Value& tile0) {
          tile_.at({block.kvHead, tile0, s_.tiles == 1 ? Value(0) : b_.let("slot", (tile0 - chunk) / kKeyTile), block.batch});
          body(b_.let("keys", minOf(end - tile0, kKeyTile)));
        });
      };
      eachTile([&](const Value& keys) {
        tile_.takeKeys(keys);
        eachSixteen(block, [&](const Value& row, const Value& limit) { tile_.scoreOnTiles(row, limit); });
        eachGroup(block, [&](const AttentionRows& rows) { tile_.score(state, rows); });
      });
      eachTile([&](const Value& keys) {
        tile_.takeValues(keys);
        for (int64_t columns = 0; columns < tile_.valueBlocks(); ++columns) {
          eachSixteen(block, [&](const Value& row, const Value& limit) { tile_.weighOnTiles(row, limit, columns); });
          eachGroup(block, [&](const AttentionRows& rows) { tile_.weigh(state, rows, columns); });
        }
      });
    });
  }

  /// With matrix tiles: sixteen rows together, some of the last of which may not be there, and how many keys the last sees.
  void eachSixteen(const Block& block, const std::function<void(const Value& row, const Value& limit)>& body) {
    if (!tile_.onTiles()) return;
    b_.loop("r", 0, block.rows, kTileRows,
            [&](const Value& r) { body(r, limitOf(block, placeOf(block, minOf(r + (kTileRows - 1), block.rows - 1)).query)); });
  }

  /// mr rows together, the rest one by one.
  void eachGroup(const Block& block, const std::function<void(const AttentionRows&)>& body) {
    Value groups = b_.let("groups", block.rows / s_.mr * s_.mr);
    b_.loop("r", 0, groups, s_.mr, [&](const Value& r) { body(rowsAt(block, r, static_cast<int>(s_.mr))); });
    if (s_.mr > 1) b_.loop("r", groups, block.rows, 1, [&](const Value& r) { body(rowsAt(block, r, 1)); });
  }

  AttentionRows rowsAt(const Block& block, const Value& r, int together) {
    AttentionRows rows{together, r, {}, {}, {}, {}};
    for (int u = 0; u < together; ++u) {
      RowPlace place = placeOf(block, r + u);
      rows.query.push_back(place.query);
      rows.head.push_back(place.head);
      rows.limit.push_back(limitOf(block, place.query));
      if (op_.window != 0) rows.first.push_back(firstOf(block, place.query));
    }
    return rows;
  }

  /// out = values / sum; zeros for a row that sees no key, or none that the mask lets through.
  void finish(const AttentionState& state, const Value& place, const std::vector<Value>& index, const Block& block, const RowPlace& row) {
    if (!op_.mask.empty()) {  // the highest of scores that are not all -Inf has the exponential 1
      Value sum = b_.let("all", b_.load(state.sum, {place}));
      Value inverse = b_.let("inverse", op_.sinks ? tile_.inverseOf(state, place, row.head) : f32Const(1) / sum);
      b_.when(
          binary(LoopOp::Eq, sum, f32Const(0)),
          [&] {
            tile_.columns([&](const Value& at, int lanes, const Value* mask) {
              b_.store(tile_.out, joined(row.ofOut(), at), f32Const(0, lanes), mask);
            });
          },
          [&] { divide(state, inverse, index, row); });
      return;
    }
    Value any = lessThan(firstOf(block, row.query), limitOf(block, row.query));
    divide(state, b_.let("inverse", selectOf(any, tile_.inverseOf(state, place, row.head), f32Const(0))), index, row);
  }
  void divide(const AttentionState& state, const Value& inverse, const std::vector<Value>& index, const RowPlace& row) {
    tile_.columns([&](const Value& at, int lanes, const Value* mask) {
      // + 0: a single segment ends as a merge of one does, without a negative zero
      b_.store(tile_.out, joined(row.ofOut(), at),
               build_.mulAdd(b_.load(state.values, joined(index, at), lanes, mask), broadcast(inverse, lanes), f32Const(0, lanes)), mask);
    });
  }
  static std::vector<Value> joined(std::vector<Value> index, const Value& last) {
    index.push_back(last);
    return index;
  }

  OpBuild& build_;
  LoopBuilder& b_;
  const AttentionOp& op_;
  const AttentionSchedule& s_;
  AttentionTile tile_;
  int64_t group_;
  Value queries_, keys_;
  Value heads_;  ///< of keys, through the batch
  Value rows_, segments_;
};

}  // namespace

void buildLoops(OpBuild& build, const AttentionOp& op, const AttentionSchedule& s) {
  Attention attention(build, op, s);
  if (s.split != 0) attention.split();
  else attention.whole();
}

}  // namespace quern
