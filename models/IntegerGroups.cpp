// models/IntegerGroups.cpp — see IntegerGroups.h.
#include "models/IntegerGroups.h"

#include "compiler/base/Half.h"
#include "compiler/base/Text.h"
#include "compiler/op/BlockValues.h"
#include "models/arch/KnownKeys.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <fmt/format.h>
#include <set>

namespace quern {

namespace {

constexpr int64_t kBlock = 32, kInWord = 8;
constexpr std::string_view kConfig = "quantization_config";

/// Of quantization_config: how the integers were found, and with what other programs run them.
constexpr std::string_view kHarmless[] = {"damp_percent",
                                          "damp_auto_increment",
                                          "static_groups",
                                          "true_sequential",
                                          "sym",
                                          "mse",
                                          "model_name_or_path",
                                          "model_file_base_name",
                                          "batch_size",
                                          "block_name_to_quantize",
                                          "cache_block_outputs",
                                          "dataset",
                                          "exllama_config",
                                          "use_exllama",
                                          "disable_exllama",
                                          "max_input_length",
                                          "model_seqlen",
                                          "module_name_preceding_first_block",
                                          "modules_in_block_to_quantize",
                                          "modules_to_not_convert",
                                          "modules_to_fuse",
                                          "dequantize",
                                          "pad_token_id",
                                          "tokenizer",
                                          "use_cuda_fp16",
                                          "backend",
                                          "do_fuse",
                                          "fuse_max_seq_len",
                                          "meta",
                                          "pack_dtype",
                                          "desc_act",
                                          "lm_head",
                                          "quant_type",
                                          "nsamples",
                                          "seqlen",
                                          "iters"};

Result<void> checkMethod(const std::string& file, std::string_view method) {
  if (method == "gptq" || method == "awq" || method == "mxfp4") return {};
  return badInput(
      fmt::format("{}: '{}' is '{}': weights packed so are not read; GPTQ and AWQ of 4 bits, MXFP4, plain *.safetensors and GGUF are",
                  escaped(file), kConfig, escapedShort(method)));
}

/// Of one linear, what its weight is made of.
struct Linear {
  const FileTensor *codes, *zeros, *scales;
  int64_t out, in, group;
  bool awq;
  int more;
  bool middle = true;  ///< every zero is 8

  static uint32_t word(const FileTensor& tensor, int64_t at) {
    uint32_t bits = 0;
    std::memcpy(&bits, tensor.data + 4 * at, 4);
    return bits;
  }
  /// Column `n` of eight in a word.
  int shiftOf(int64_t n) const {
    static constexpr int kPlaces[] = {0, 4, 1, 5, 2, 6, 3, 7};
    auto within = static_cast<size_t>(n % kInWord);
    return 4 * (awq ? kPlaces[within] : static_cast<int>(within));
  }
  int code(int64_t n, int64_t k) const {
    uint32_t bits = awq ? word(*codes, k * (out / kInWord) + n / kInWord) : word(*codes, k / kInWord * out + n);
    return static_cast<int>((bits >> (awq ? shiftOf(n) : static_cast<int>(4 * (k % kInWord)))) & 15);
  }
  int zero(int64_t n, int64_t g) const {
    return static_cast<int>((word(*zeros, g * (out / kInWord) + n / kInWord) >> shiftOf(n)) & 15) + more;
  }
  float scale(int64_t n, int64_t g) const {
    ElementType type = *elementTypeOf(scales->type);
    float value = 0;
    rowValues(type, scales->data + bytesOf(type, g * out + n), 1, &value);
    return value;
  }
  ElementType type() const { return middle ? ElementType::Q4_0 : ElementType::Q5_0; }

  /// Block `block` of row `n`.
  void put(int64_t n, int64_t block, std::byte* to) const {
    int64_t g = block * kBlock / group;
    uint16_t d = halfOfFloat(scale(n, g));
    std::memcpy(to, &d, 2);
    int less = zero(n, g) - (middle ? 8 : 16);  // a code of the block is so much smaller
    uint32_t fifth = 0;
    std::byte* nibbles = to + (middle ? 2 : 6);
    std::memset(nibbles, 0, kBlock / 2);
    for (int i = 0; i < kBlock; ++i) {
      auto own = static_cast<uint32_t>(code(n, block * kBlock + i) - less);
      nibbles[i % 16] |= static_cast<std::byte>((own & 15) << (4 * (i / 16)));
      fifth |= own >> 4 << i;
    }
    if (!middle) std::memcpy(to + 2, &fifth, 4);
  }
};

/// The parts of one linear, found and checked.
class LinearParts4 {
public:
  LinearParts4(const WeightFiles& files, const IntegerGroups& groups, const FileTensor& codes)
      : files_(files), groups_(groups), codes_(codes), base_(codes.name.substr(0, codes.name.size() - std::strlen("qweight"))) {}

  const std::string& base() const { return base_; }

  Result<Linear> read() const {
    auto zeros = part("qzeros"), scales = part("scales");
    if (!zeros) return zeros.error();
    if (!scales) return scales.error();
    for (const FileTensor* each : {&codes_, *zeros, *scales})
      if (each->shape.size() != 2) return bad(*each, fmt::format("is {}, two dimensions are needed", dimensionsText(each->shape)));
    Linear one{&codes_, *zeros, *scales, 0, 0, 0, groups_.awq, groups_.more};
    int64_t packed = groups_.awq ? codes_.shape[1] : codes_.shape[0];
    if (packed > (int64_t{1} << 40)) return bad(codes_, "is too large");
    one.out = groups_.awq ? packed * kInWord : codes_.shape[1];
    one.in = groups_.awq ? codes_.shape[0] : packed * kInWord;
    one.group = groups_.group == 0 ? one.in : groups_.group;
    if (one.in == 0 || one.out == 0 || one.in % kBlock != 0 || one.in % one.group != 0 || one.out % kInWord != 0)
      return bad(codes_, fmt::format("is {}, a weight of {} by {}: whole groups of {} and columns of {} are needed",
                                     dimensionsText(codes_.shape), one.out, one.in, std::max(one.group, kBlock), kInWord));
    for (const FileTensor* each : {&codes_, *zeros})
      if (each->type != TensorType::I32) return bad(*each, fmt::format("is {}, i32 is needed", nameOf(each->type)));
    if (auto good = fits(**zeros, one.in / one.group, one.out / kInWord); !good) return good.error();
    if (auto good = fits(**scales, one.in / one.group, one.out); !good) return good.error();
    if (auto good = checkOrder(one); !good) return good.error();
    if (auto good = checkNumbers(one); !good) return good.error();
    return one;
  }

private:
  Error bad(const FileTensor& tensor, const std::string& why) const {
    return badInput(fmt::format("{}: tensor '{}' {}", escaped(files_.path()), escapedShort(tensor.name), why));
  }
  Result<const FileTensor*> part(const char* name) const {
    if (const FileTensor* found = files_.find(base_ + name)) return found;
    return badInput(fmt::format("{}: tensor '{}' is missing, which goes with '{}'", escaped(files_.path()), escapedShort(base_ + name),
                                escapedShort(codes_.name)));
  }
  Result<void> fits(const FileTensor& tensor, int64_t rows, int64_t columns) const {
    if (tensor.shape == std::vector<int64_t>{rows, columns}) return {};
    return bad(tensor, fmt::format("is {}, {} is needed beside '{}'", dimensionsText(tensor.shape),
                                   dimensionsText(std::vector<int64_t>{rows, columns}), escapedShort(codes_.name)));
  }
  /// Groups of neighbours, in order.
  Result<void> checkOrder(const Linear& one) const {
    const FileTensor* order = files_.find(base_ + "g_idx");
    if (order == nullptr) return {};
    if (order->type != TensorType::I32 || order->shape != std::vector<int64_t>{one.in})
      return bad(*order, fmt::format("is {} of {}, i32 of [{}] is needed", dimensionsText(order->shape), nameOf(order->type), one.in));
    for (int64_t k = 0; k < one.in; ++k)
      if (auto own = static_cast<int32_t>(Linear::word(*order, k)); own != k / one.group)
        return bad(*order, fmt::format("has {} for element {}, {} is needed: groups in the order of activations (desc_act) are not read",
                                       own, k, k / one.group));
    return {};
  }
  /// Scales that are halves, and what the zeros are.
  Result<void> checkNumbers(Linear& one) const {
    TensorType type = one.scales->type;
    if (type != TensorType::F16 && type != TensorType::BF16 && type != TensorType::F32)
      return bad(*one.scales, fmt::format("is {}, f16, bf16 or f32 is needed", nameOf(type)));
    for (int64_t g = 0; g < one.in / one.group; ++g)
      for (int64_t n = 0; n < one.out; ++n) {
        float scale = one.scale(n, g);
        one.middle = one.middle && one.zero(n, g) == 8;
        if (type != TensorType::F16 && floatOfHalf(halfOfFloat(scale)) != scale && !std::isnan(scale))
          return bad(*one.scales, fmt::format("has {} at [{}, {}], which no half is", scale, g, n));
      }
    return {};
  }

  const WeightFiles& files_;
  const IntegerGroups& groups_;
  const FileTensor& codes_;
  std::string base_;
};

}  // namespace

Result<std::optional<IntegerGroups>> integerGroupsOf(const std::string& file, const JsonValue& root) {
  const JsonValue* given = root.find(kConfig);
  const auto* object = given == nullptr ? nullptr : given->as<JsonObject>();
  if (object == nullptr || object->empty()) return std::optional<IntegerGroups>();
  JsonFields fields(file, *given);
  auto method = fields.string("quant_method");
  if (!method) return method.error();
  auto bad = [&](const std::string& why) { return badInput(fmt::format("{}: '{}.{}", escaped(file), kConfig, why)); };
  if (!*method) return bad("quant_method' is missing; gptq, awq and mxfp4 are read");
  if (auto good = checkMethod(file, **method); !good) return good.error();
  IntegerGroups groups;
  groups.awq = **method == "awq";
  std::set<std::string> read = {"quant_method", "bits", "group_size"};
  if (**method == "mxfp4") {
    auto good = checkKeys(file, *given, {{"quant_method"}, kHarmless}, std::string(kConfig) + ".");
    return good ? Result<std::optional<IntegerGroups>>(std::optional<IntegerGroups>()) : good.error();
  }
  auto bits = fields.integer("bits", 0, 64);
  if (!bits) return bits.error();
  if (*bits != 4) return bad(fmt::format("bits' is {}, 4 is needed", *bits ? std::to_string(**bits) : "missing"));
  auto group = fields.integer("group_size", -1, int64_t{1} << 30);
  if (!group) return group.error();
  int64_t size = group->value_or(groups.awq ? 128 : -1);
  if (size != -1 && (size <= 0 || size % kBlock != 0))
    return bad(fmt::format("group_size' is {}, a multiple of {} is needed, or -1", size, kBlock));
  groups.group = std::max<int64_t>(0, size);
  const char* key = groups.awq ? "version" : "checkpoint_format";
  read.insert(key);
  auto format = fields.string(key);
  if (!format) return format.error();
  std::string_view layout = format->value_or(groups.awq ? "gemm" : "gptq");
  bool known = groups.awq ? layout == "gemm" || layout == "GEMM" : layout == "gptq" || layout == "gptq_v2";
  if (!known) return bad(fmt::format("{}' is '{}', {} is needed", key, escapedShort(layout), groups.awq ? "gemm" : "gptq or gptq_v2"));
  groups.more = layout == "gptq" ? 1 : 0;
  if (groups.awq) {
    read.insert("zero_point");
    auto zeros = fields.boolean("zero_point");
    if (!zeros) return zeros.error();
    if (!zeros->value_or(true)) return bad("zero_point' is false, true is needed");
  }
  if (auto good = checkKeys(file, *given, {read, kHarmless}, std::string(kConfig) + "."); !good) return good.error();
  return std::optional<IntegerGroups>(groups);
}

Result<void> joinIntegerGroups(const WeightFiles& files, const IntegerGroups& groups, Weights& weights) {
  for (const FileTensor& tensor : files.tensors()) {
    if (!tensor.name.ends_with(".qweight")) continue;
    LinearParts4 parts(files, groups, tensor);
    auto one = parts.read();
    if (!one) return one.error();
    ElementType type = one->type();
    MadeRows made{[linear = *one, type](int64_t first, int64_t count, std::byte* to) {
                    int64_t blocks = linear.in / kBlock, each = formatOf(type).blockBytes;
                    for (int64_t block = 0; block < blocks; ++block)
                      for (int64_t n = 0; n < count; ++n) linear.put(first + n, block, to + (n * blocks + block) * each);
                  },
                  {parts.base() + "qweight", parts.base() + "qzeros", parts.base() + "scales", parts.base() + "g_idx"}};
    weights.replace(parts.base() + "weight", fileTypeOf(type), {one->out, one->in}, std::move(made));
  }
  return {};
}

}  // namespace quern
