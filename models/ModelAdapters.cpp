// models/ModelAdapters.cpp — ModelGraph's adapters: beside W x, two thin products B (A x), which its end adds.
#include "compiler/base/Check.h"
#include "compiler/base/Text.h"
#include "models/ModelGraph.h"
#include "models/files/WeightValues.h"

#include <algorithm>
#include <cstring>
#include <fmt/format.h>

namespace quern {

namespace {

/// A matrix somewhere in a larger one.
struct Block {
  Weight weight;
  int64_t row, column;
  float scale = 1;
  int64_t heads = 0;  ///< as LowRank has it
};

/// Row `n` of a matrix with pairs side by side, in one that has the halves of each of so many heads apart.
int64_t halvesRow(int64_t n, int64_t rows, int64_t heads) {
  int64_t size = rows / heads, within = n % size;
  return n - within + within % 2 * (size / 2) + within / 2;
}

/// Rows of `columns` elements of `type`: what the blocks have, and zeros.
MadeRows composed(std::vector<Block> blocks, TensorType type, int64_t columns) {
  auto put = [blocks = std::move(blocks), type, columns](int64_t first, int64_t count, std::byte* to) {
    auto bytes = static_cast<size_t>(*rowBytes(type, columns));
    std::memset(to, 0, static_cast<size_t>(count) * bytes);
    std::vector<float> values;
    for (const Block& block : blocks) {
      int64_t rows = block.weight.shape[0], width = block.weight.shape[1];
      auto each = static_cast<size_t>(*rowBytes(block.weight.type, width));
      values.resize(static_cast<size_t>(width));
      for (int64_t n = std::max(first, block.row); n < std::min(first + count, block.row + rows); ++n) {
        int64_t own = n - block.row;
        if (block.heads != 0) own = halvesRow(own, rows, block.heads);
        QUERN_CHECK(
            static_cast<bool>(toFloats(block.weight.type, block.weight.data + static_cast<size_t>(own) * each, width, values.data())));
        for (float& value : values) value *= block.scale;
        std::byte* row = to + static_cast<size_t>(n - first) * bytes + *rowBytes(type, block.column);
        QUERN_CHECK(static_cast<bool>(fromFloats(type, values.data(), width, row)));
      }
    }
  };
  return {std::move(put), {}};
}

/// What all of A are: their own type where it is one of numbers, else f32.
TensorType commonType(const std::vector<Block>& blocks) {
  TensorType first = blocks[0].weight.type;
  bool plain = first == TensorType::F16 || first == TensorType::BF16;
  bool alike = std::all_of(blocks.begin(), blocks.end(), [&](const Block& each) { return each.weight.type == first; });
  return plain && alike ? first : TensorType::F32;
}

/// x and `more` in place of x.
LinearEnd withMore(const LinearEnd& end, const GraphRows& more) {
  ScalarExprRef sum = scalarCall(ScalarFn::Add, {scalarOperand("x"), scalarOperand("adapter")});
  LinearEnd out = end;
  out.ep = end.ep == nullptr ? sum : substituted(end.ep, "x", sum);
  out.operands.emplace_back("adapter", more);
  return out;
}

}  // namespace

ModelGraph::LowRankPair ModelGraph::lowRank(const std::vector<std::string>& names, const std::vector<int64_t>& widths, int64_t depth,
                                            int64_t rank) {
  std::vector<Block> downs, ups;
  int64_t row = 0, column = 0;
  for (size_t i = 0; i < names.size(); ++i) {
    for (const LowRank& more : weights_.takeLowRanks(names[i] + ".weight")) {
      int64_t r = more.up.shape.back();
      for (const auto& [half, shape] : {std::pair(&more.down, std::vector{r, depth}), std::pair(&more.up, std::vector{widths[i], r})}) {
        auto good = checkConvertible(half->type);
        std::string why = half->shape != shape ? fmt::format("is {}, {} is needed", dimensionsText(half->shape), dimensionsText(shape))
                          : good               ? ""
                                               : good.error().message;
        if (why.empty()) continue;
        fail(badInput(fmt::format("{}: tensor '{}' {}", escaped(more.file), escapedShort(half->stored), why)));
        return {};
      }
      downs.push_back({more.down, column, 0});
      ups.push_back({more.up, row, column, more.scale, more.heads});
      column += r;
    }
    row += widths[i];
  }
  rank = std::max(rank, column);
  if (rank == 0) return {};
  TensorType type = downs.empty() ? TensorType::F32 : commonType(downs);
  const Weight* down = weights_.make(names[0] + ".lora_a", type, {rank, depth}, composed(std::move(downs), type, depth));
  const Weight* up = weights_.make(names[0] + ".lora_b", TensorType::F32, {row, rank}, composed(std::move(ups), TensorType::F32, rank));
  return {down, up, rank};
}

LinearEnd ModelGraph::adapted(const GraphRows& x, const LinearParts& parts, const LinearEnd& end) {
  LowRankPair pair = lowRank(parts.names, parts.widths, x.width);
  if (pair.rank == 0) return end;
  GraphRows inner = fresh(pair.rank, x), more = fresh(pair.up->shape[0], x);
  linearStep(x, inner, {{pair.down}, {}, {inner.width}}, {}, false);
  linearStep(inner, more, {{pair.up}, {}, {more.width}}, {}, false);
  return withMore(end, more);
}

LinearEnd ModelGraph::adaptedExperts(const GraphRoute& route, const GraphRows& x, const std::string& name, int64_t width,
                                     const LinearEnd& end) {
  if (!weights_.adapted()) return end;
  int64_t rank = 0;
  auto named = [&](int64_t expert) { return fmt::format("{}.{}", name, expert); };
  for (int64_t i = 0; i < route.experts; ++i) {
    int64_t own = 0;
    for (const LowRank& more : weights_.takeLowRanks(named(i) + ".weight")) own += more.up.shape.back();
    rank = std::max(rank, own);
  }
  if (rank == 0) return end;
  GraphRows inner = fresh(rank, x), more = fresh(width, x);
  std::vector<LinearParts> downs, ups;
  for (int64_t i = 0; i < route.experts; ++i) {
    LowRankPair pair = lowRank({named(i)}, {width}, x.width, rank);
    if (pair.rank == 0) return end;
    downs.push_back({{pair.down}, {}, {rank}});
    ups.push_back({{pair.up}, {}, {width}});
  }
  expertStep(route, x, inner, downs, {});
  expertStep(route, inner, more, ups, {});
  return withMore(end, more);
}

GraphRows ModelGraph::adaptedTable(const GraphRows& x, const std::string& table) {
  GraphRows out = x;
  for (const LowRank& more : weights_.takeLowRanks(table)) {
    int64_t r = more.up.shape.back();
    bool rows = more.down.shape == std::vector{c_.vocab, r};
    bool plain = more.down.type == TensorType::F32 || more.down.type == TensorType::F16 || more.down.type == TensorType::BF16;
    if ((!rows && more.down.shape != std::vector{r, c_.vocab}) || more.up.shape != std::vector{c_.width, r} || !plain) {
      fail(badInput(fmt::format("{}: tensors '{}' and '{}' are {} of {} and {}, {} and {} of f32, f16 or bf16 are needed",
                                escaped(more.file), escapedShort(more.down.stored), escapedShort(more.up.stored),
                                dimensionsText(more.down.shape), nameOf(more.down.type), dimensionsText(more.up.shape),
                                dimensionsText(std::vector{r, c_.vocab}), dimensionsText(std::vector{c_.width, r}))));
      return out;
    }
    size_t weight = list_.size();
    std::string stored = fmt::format("{}.lora_a.{}", table, weight);
    weights_.put(stored, more.down);  // taken already
    const Weight* down = weights_.find(stored);
    list_.push_back({GraphWeight::Kind::Table, {}, {}, ElementType::F32, 1, {down}, {c_.vocab}, rows ? r : c_.vocab, 0});
    GraphRows inner{plan_.activation(r, rows_), r, 0, r, rows_, {}};
    gathers_.push_back({plan_.gather({"embedding.lora_a", plan_.outside(kIds), inner.buffer, rows_, r, {}}), weight,
                        static_cast<float>(c_.embeddingScale), rows ? 0 : r});
    const Weight* up = weights_.make(fmt::format("{}.lora_b.{}", table, weight), TensorType::F32, {c_.width, r},
                                     composed({{more.up, 0, 0, more.scale}}, TensorType::F32, r));
    GraphRows sum = fresh(c_.width, x);
    linearStep(inner, sum, {{up}, {}, {c_.width}}, addedTo(out), false);
    out = sum;
  }
  return out;
}

}  // namespace quern
