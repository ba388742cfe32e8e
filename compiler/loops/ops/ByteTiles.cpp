// compiler/loops/ops/ByteTiles.cpp — see ByteTiles.h.
#include "compiler/loops/ops/ByteTiles.h"

#include "compiler/base/Check.h"

#include <algorithm>

namespace quern {

constexpr int kLanes = TileShape::kMostWords;

ByteTiles::ByteTiles(OpBuild& build, const std::string& name, const MatmulOp& op, const MatmulSchedule& s, const Value& batch,
                     const Value& panels)
    : build_(build),
      b_(build.b),
      k_(op.k.value),
      depth_(k_ == 0 ? TileGrid::kWords : std::min(ByteRows::wordsOf(k_), TileGrid::kWords)),
      weight_(build, name, op, s, batch, panels),
      grid_(build.b, s.mr, s.nr) {
  dots_ = b_.denseBuffer("dots", Scalar::I32, BufferRole::ThreadScratch, {s.mr, s.nr});
  sums_ = b_.denseBuffer("sums", Scalar::F32, BufferRole::ThreadScratch, {s.mr, s.nr});
}

void ByteTiles::declareRows(const Value& rows) { rows_.emplace(build_, rows, k_, ByteDots::kBias, grid_.rowsBehind()); }

void ByteTiles::given(const Value&, const BufferRef&, const PlaceInA&) { QUERN_CHECK(false); }  // as ByteProduct's

void ByteTiles::inPass(const Value&, const std::function<void()>& body) { grid_.inTiles(static_cast<int>(depth_), body); }

void ByteTiles::step(const Tile& tile, const Value& code, const Value& word) const {
  grid_.columns(TileGrid::partOf(tile), [&](size_t v) { return TileGrid::Place{weight_.words(), weight_.at(tile, v, word)}; });
  grid_.dots(TileDot::Bytes, TileGrid::partOf(tile), [&](int64_t r) { return TileGrid::Place{rows_->words(), {tile.row + r, code}}; });
}

void ByteTiles::scaled(const Tile& tile) const {
  std::vector<Value> scales = weight_.scales(tile);
  b_.loop("r", 0, tile.there.expr() == nullptr ? Value(tile.rows) : tile.there, 1, [&](const Value& r) {
    Value own = b_.let("own", broadcast(rows_->scale(tile.row + r), kLanes));
    Value start = b_.let("start", broadcast(rows_->start(tile.row + r), kLanes));
    for (size_t v = 0; v < scales.size(); ++v) {
      std::vector<Value> at = {r, static_cast<int64_t>(v) * kLanes};
      Value before = tile.resumes ? b_.load(sums_, at, kLanes) : f32Const(0, kLanes);
      Value dot = unary(LoopOp::ToF32, b_.load(dots_, at, kLanes) + start);
      b_.store(sums_, at, build_.exactMulAdd(dot, own * scales[v], before));
    }
  });
}

void ByteTiles::run(const Tile& tile) {
  int64_t words = ByteRows::wordsOf(k_), bulk = words / depth_ * depth_;
  grid_.zero(TileGrid::partOf(tile));
  b_.loop("word", 0, bulk, depth_, [&](const Value& word) { step(tile, word, word); });
  if (bulk < words) step(tile, bulk, words - depth_);
  grid_.store(TileGrid::partOf(tile), {dots_, {0, 0}});
  tile.start();
  scaled(tile);
}

}  // namespace quern
