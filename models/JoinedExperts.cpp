// models/JoinedExperts.cpp — see JoinedExperts.h.
#include "models/JoinedExperts.h"

#include "compiler/base/Text.h"

#include <cstring>
#include <fmt/format.h>
#include <set>

namespace quern {

namespace {

constexpr int64_t kMxBlock = 32, kMxBytes = kMxBlock / 2;

/// Of each expert's rows every `step`-th, from `begin` on.
struct Share {
  const char* name;
  int64_t begin, step;
};
struct Product {
  std::string_view stored;
  std::vector<Share> shares;
};

/// One tensor of all experts, or two, as rows.
struct Stack {
  const FileTensor* values;
  const FileTensor* scales;  ///< null: plain numbers
  int64_t experts, rows, in;
  int64_t taken = 0;  ///< rows of a share, of each expert
  Share share{};

  TensorType type() const { return scales != nullptr ? TensorType::MXFP4 : values->type; }
  /// Where row `n` of all experts' shares lies among all experts' rows.
  int64_t rowOf(int64_t n) const { return n / taken * rows + n % taken * share.step + share.begin; }

  /// Of mxfp4: a scale, and 16 bytes with elements i and i + 16 in the halves of byte i.
  void putBlocks(int64_t first, int64_t count, std::byte* to) const {
    int64_t blocks = in / kMxBlock;
    for (int64_t n = first; n < first + count; ++n) {
      int64_t begin = rowOf(n) * blocks;
      for (int64_t block = begin; block < begin + blocks; ++block) {
        const std::byte* from = values->data + block * kMxBytes;
        *to++ = scales->data[block];
        for (int64_t i = 0; i < kMxBytes / 2; ++i) {  // elements 2i, 2i + 1 and 16 behind them
          std::byte low = from[i], high = from[i + kMxBytes / 2];
          *to++ = (low & std::byte{15}) | high << 4;
          *to++ = low >> 4 | (high & std::byte{0xF0});
        }
      }
    }
  }
  /// Columns of each expert's [in, rows].
  void putColumns(int64_t first, int64_t count, std::byte* to) const {
    auto each = static_cast<size_t>(infoOf(values->type).blockBytes);
    std::vector<const std::byte*> rowsAt;
    for (int64_t n = first; n < first + count; ++n)
      rowsAt.push_back(values->data + static_cast<size_t>(rowOf(n) / rows * in * rows + rowOf(n) % rows) * each);
    for (int64_t k = 0; k < in; ++k)
      for (int64_t n = 0; n < count; ++n) {
        std::byte* element = to + static_cast<size_t>(n * in + k) * each;
        const std::byte* from = rowsAt[static_cast<size_t>(n)] + static_cast<size_t>(k * rows) * each;
        if (each == 2) std::memcpy(element, from, 2);
        else std::memcpy(element, from, 4);
      }
  }
  /// Of [experts, rows]: an expert's are one row.
  void putBiases(int64_t first, int64_t count, std::byte* to) const {
    auto each = static_cast<size_t>(infoOf(values->type).blockBytes);
    for (int64_t n = first * taken; n < (first + count) * taken; ++n, to += each)
      std::memcpy(to, values->data + static_cast<size_t>(rowOf(n)) * each, each);
  }
};

class Join {
public:
  Join(const WeightFiles& files, Weights& weights) : files_(files), weights_(weights) {}

  /// What `files` has of one product of `base`, which ends in a dot.
  Result<void> product(const std::string& base, const Product& of) {
    std::string stored = base + std::string(of.stored);
    const FileTensor *plain = files_.find(stored), *blocks = files_.find(stored + "_blocks"), *scales = files_.find(stored + "_scales");
    if (plain != nullptr || blocks != nullptr || scales != nullptr) {
      auto stack = plain != nullptr && blocks == nullptr ? plainStack(*plain) : blockStack(stored, blocks, scales);
      if (!stack) return stack.error();
      std::vector<std::string> parts = {stack->values->name};
      if (stack->scales != nullptr) parts.push_back(stack->scales->name);
      for (const Share& share : of.shares)
        if (auto good = put(base + share.name + ".weight", *stack, share, parts); !good) return good;
    }
    const FileTensor* bias = files_.find(stored + "_bias");
    if (bias == nullptr || of.shares.size() < 2) return {};
    if (bias->shape.size() != 2) return bad(*bias, "[experts, rows]");
    Stack all{bias, nullptr, bias->shape[0], bias->shape[1], 0};
    if (auto good = checkPlain(*bias); !good) return good;
    for (const Share& share : of.shares)
      if (auto good = put(base + share.name + ".bias", all, share, {bias->name}); !good) return good;
    return {};
  }

private:
  Error bad(const FileTensor& tensor, const std::string& needed) const {
    return badInput(fmt::format("{}: tensor '{}' is {} of {}, {} is needed", escaped(files_.path()), escapedShort(tensor.name),
                                dimensionsText(tensor.shape), nameOf(tensor.type), needed));
  }
  Result<void> checkPlain(const FileTensor& tensor) const {
    if (tensor.type == TensorType::F32 || tensor.type == TensorType::F16 || tensor.type == TensorType::BF16) return {};
    return bad(tensor, "f32, f16 or bf16");
  }
  Result<Stack> plainStack(const FileTensor& tensor) const {
    if (tensor.shape.size() != 3) return bad(tensor, "[experts, in, rows]");
    if (auto good = checkPlain(tensor); !good) return good.error();
    return Stack{&tensor, nullptr, tensor.shape[0], tensor.shape[2], tensor.shape[1]};
  }
  Result<Stack> blockStack(const std::string& stored, const FileTensor* blocks, const FileTensor* scales) const {
    if (blocks == nullptr || scales == nullptr)
      return badInput(fmt::format("{}: tensor '{}' is missing, which goes with '{}'", escaped(files_.path()),
                                  escapedShort(stored + (blocks == nullptr ? "_blocks" : "_scales")),
                                  escapedShort(stored + (blocks == nullptr ? "_scales" : "_blocks"))));
    if (blocks->shape.size() != 4 || blocks->shape[3] != kMxBytes || blocks->type != TensorType::U8)
      return bad(*blocks, "u8 of [experts, rows, in / 32, 16]");
    std::vector<int64_t> needed(blocks->shape.begin(), blocks->shape.end() - 1);
    if (scales->shape != needed || (scales->type != TensorType::U8 && scales->type != TensorType::F8_E8M0))
      return bad(*scales, fmt::format("u8 of {}", dimensionsText(needed)));
    return Stack{blocks, scales, needed[0], needed[1], needed[2] * kMxBlock};
  }
  Result<void> put(const std::string& name, Stack stack, const Share& share, std::vector<std::string> parts) {
    if (stack.values->bytes == 0 || stack.rows % share.step != 0)
      return bad(*stack.values, fmt::format("a multiple of {} rows", share.step));
    stack.share = share;
    stack.taken = stack.rows / share.step;
    std::vector<int64_t> shape = {stack.experts, stack.taken};
    auto how = &Stack::putBiases;
    if (stack.in > 0) shape.push_back(stack.in), how = stack.scales != nullptr ? &Stack::putBlocks : &Stack::putColumns;
    weights_.replace(name, stack.type(), std::move(shape),
                     {[stack, how](int64_t first, int64_t count, std::byte* to) { (stack.*how)(first, count, to); }, std::move(parts)});
    return {};
  }

  const WeightFiles& files_;
  Weights& weights_;
};

}  // namespace

Result<void> joinExperts(const WeightFiles& files, Weights& weights) {
  const Product products[] = {{"gate_up_proj", {{"gate_proj", 0, 2}, {"up_proj", 1, 2}}}, {"down_proj", {{"down_proj", 0, 1}}}};
  constexpr std::string_view kStack = "mlp.experts.";
  Join join(files, weights);
  for (const Product& product : products) {
    std::set<std::string> done;
    for (const FileTensor& tensor : files.tensors()) {
      size_t at = tensor.name.find(kStack);
      if (at == std::string::npos || tensor.name.compare(at + kStack.size(), product.stored.size(), product.stored) != 0) continue;
      std::string base = tensor.name.substr(0, at + kStack.size());
      if (!done.insert(base).second) continue;
      if (auto good = join.product(base, product); !good) return good;
    }
  }
  return {};
}

}  // namespace quern
