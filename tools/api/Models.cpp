// tools/api/Models.cpp — opening models; their words.
#include "tools/api/Models.h"

#include "compiler/base/Log.h"
#include "models/Adapter.h"
#include "models/KvTypes.h"
#include "models/ProductArithmetic.h"

#include <algorithm>
#include <cstddef>
#include <fmt/format.h>

namespace quern::api {

namespace {

Result<ModelSource> sourceOf(const Context& context, const char* path, const quern_model_options& options) {
  const BundleArithmetic* bundled = context.library.bundledArithmetic();
  if (path == nullptr) {
    BundledModel own = context.library.modelInBundle();
    if (!own.there() || bundled == nullptr) return badCommand("path is NULL, and the context's bundle has no model (quern emit --weights)");
    if (options.compute != nullptr || options.order != nullptr || options.adapters != nullptr)
      return badCommand("compute, order and adapters go with a path: a bundle's own model is computed as it was emitted");
    return openPackedModel(own, *bundled);
  }
  std::optional<std::string> compute;
  std::string order = options.order == nullptr ? "" : options.order;
  if (options.compute != nullptr) compute = options.compute;
  else if (bundled != nullptr && order.empty())
    compute = bundled->compute, order = bundled->compute == nameOf(Compute::Exact) ? "" : bundled->order;
  auto asked = askedArithmetic(compute, order);
  if (!asked) return asked.error();
  auto source = openModelFiles(path);
  if (!source) return source;
  for (const std::string& remark : source->files->remarks()) logWarning(remark);
  for (const char* const* each = options.adapters; each != nullptr && *each != nullptr; ++each) {
    auto name = adapterNamed(*each);
    if (!name) return name.error();
    if (auto good = addAdapter(*source, *name); !good) return good.error();
  }
  auto remark = computeAs(*asked, context.library.target(), *source);
  if (!remark) return remark.error();
  if (!remark->empty()) logWarning(*remark);
  return source;
}

Result<ElementType> kvOf(const Context& context, const char* given, const ModelSource& source) {
  const BundleArithmetic* bundled = context.library.bundledArithmetic();
  std::string name = given != nullptr ? given : bundled != nullptr ? bundled->kv : "f32";
  auto type = kvTypeNamed(name);
  if (!type) return type;
  if (auto good = checkKvType(source, *type); !good) return good.error();
  return *type;
}

Result<void> open(quern_context handle, const char* path, const quern_model_options* given, quern_model* out) {
  auto context = heldBy<Context>(handle);
  if (!context) return context.error();
  if (auto good = api::given(out, "out"); !good) return good;
  auto options = optionsOf(given, "quern_model_options", offsetof(quern_model_options, adapters));
  if (!options) return options.error();
  auto threads = threadsOf(options->threads);
  if (!threads) return threads.error();
  if (options->context < 0) return badCommand(fmt::format("context is {}; 0 is the model's own", options->context));
  auto source = sourceOf(**context, path, *options);
  if (!source) return source.error();
  auto kv = kvOf(**context, options->kv, *source);
  if (!kv) return kv.error();
  auto opened = std::make_shared<OpenModel>();
  opened->context = *context;
  opened->architecture = source->architecture == nullptr ? "" : std::string(source->architecture->name);
  auto words = ModelText::read(*source);
  if (!words) return words.error();
  opened->words.emplace(std::move(*words));
  if (auto products = productsOf(*source)) opened->arithmetic = text(*products);
  ModelOptions load;
  load.context = options->context;
  load.threads = *threads;
  load.kvType = *kv;
  std::atomic<int> stopped{0};
  load.stop = Stop(&stopped);
  if (options->progress != nullptr)
    load.progress = [&](double done, double total) {
      if (options->progress(options->user, done, total) != 0) stopped = 1;
    };
  OpKernels& kernels = (*context)->kernels;
  load.foreseen = [&](const std::vector<OpDesc>& ops) { kernels.prepare(ops, *threads); };
  auto model = Model::load(std::move(*source), [&](const OpDesc& op) { return kernels.kernels(op); }, load);
  if (!model) return model.error();
  opened->model = std::move(*model);
  return handOut(std::move(opened), out);
}

Result<void> describe(quern_model handle, quern_model_info* info) {
  auto opened = heldBy<OpenModel>(handle);
  if (!opened) return opened.error();
  const Model& model = *(*opened)->model;
  const ModelConfig& config = model.config();
  const Tokenizer* tokenizer = (*opened)->words->tokenizer();
  quern_model_info full{};
  full.architecture = (*opened)->architecture.c_str();
  full.vocab = config.vocab, full.context = model.context();
  full.layers = config.layers, full.width = config.width, full.heads = config.heads, full.kv_heads = config.keyHeads();
  full.weight_bytes = model.weightBytes();
  full.session_bytes = model.plan()->memory().persistentBytes;
  full.begin = tokenizer == nullptr ? -1 : tokenizer->bos();
  full.has_text = tokenizer == nullptr ? 0 : 1;
  full.arithmetic = (*opened)->arithmetic.c_str();
  return fillIn(full, info, "quern_model_info");
}

Result<void> tokenize(quern_model handle, const char* text, size_t bytes, int flags, int32_t* ids, int64_t capacity, int64_t* count) {
  auto model = heldBy<OpenModel>(handle);
  if (!model) return model.error();
  if (auto good = given(count, "count"); !good) return good;
  if (bytes > 0 && text == nullptr) return badCommand("text is NULL");
  if (capacity < 0 || (capacity > 0 && ids == nullptr))
    return badCommand(fmt::format("ids: room for {} at {}", capacity, ids == nullptr ? "NULL" : "an address"));
  if ((flags & ~(QUERN_NO_BEGIN | QUERN_SPECIAL)) != 0)
    return badCommand(fmt::format("flags is {}, QUERN_NO_BEGIN and QUERN_SPECIAL can be", flags));
  auto tokenizer = (*model)->words->needTokenizer();
  if (!tokenizer) return tokenizer.error();
  EncodeOptions options;
  options.addBos = (flags & QUERN_NO_BEGIN) == 0, options.parseSpecial = (flags & QUERN_SPECIAL) != 0;
  auto encoded = (*tokenizer)->encode(std::string_view(text, bytes), options);
  if (!encoded) return encoded.error();
  std::copy_n(encoded->begin(), std::min<int64_t>(capacity, static_cast<int64_t>(encoded->size())), ids);
  *count = static_cast<int64_t>(encoded->size());
  return {};
}

Result<void> detokenize(quern_model handle, const int32_t* ids, int64_t count, char* text, size_t capacity, size_t* bytes) {
  auto model = heldBy<OpenModel>(handle);
  if (!model) return model.error();
  if (auto good = given(bytes, "bytes"); !good) return good;
  if (count < 0 || (count > 0 && ids == nullptr))
    return badCommand(fmt::format("ids: {} at {}", count, ids == nullptr ? "NULL" : "an address"));
  if (capacity > 0 && text == nullptr) return badCommand("text is NULL");
  auto tokenizer = (*model)->words->needTokenizer();
  if (!tokenizer) return tokenizer.error();
  auto decoded = (*tokenizer)->decode(std::span(ids, static_cast<size_t>(count)));
  if (!decoded) return decoded.error();
  std::copy_n(decoded->begin(), std::min(capacity, decoded->size()), text);
  *bytes = decoded->size();
  return {};
}

Result<ChatTemplate> templateFor(const OpenModel& model, const char* family) {
  if (family != nullptr) return ChatTemplate::named(family);
  const auto& files = model.model->source().files;
  if (files == nullptr) return badInput("the model has no files, and so no chat template");
  return ChatTemplate::ofFiles(*files);
}

Result<void> chatIds(quern_model handle, const char* family, const quern_message* messages, int64_t countMessages, int32_t* ids,
                     int64_t capacity, int64_t* count) {
  auto model = heldBy<OpenModel>(handle);
  if (!model) return model.error();
  if (auto good = given(count, "count"); !good) return good;
  if (countMessages < 0 || (countMessages > 0 && messages == nullptr))
    return badCommand(fmt::format("messages: {} at {}", countMessages, messages == nullptr ? "NULL" : "an address"));
  if (capacity < 0 || (capacity > 0 && ids == nullptr))
    return badCommand(fmt::format("ids: room for {} at {}", capacity, ids == nullptr ? "NULL" : "an address"));
  std::vector<ChatMessage> said;
  for (int64_t i = 0; i < countMessages; ++i) {
    if (messages[i].role == nullptr || messages[i].content == nullptr)
      return badCommand(fmt::format("messages[{}]: {} is NULL", i, messages[i].role == nullptr ? "role" : "content"));
    said.push_back({messages[i].role, messages[i].content});
  }
  auto tokenizer = (*model)->words->needTokenizer();
  if (!tokenizer) return tokenizer.error();
  auto chat = templateFor(**model, family);
  if (!chat) return chat.error();
  auto names = ChatNames::of(**tokenizer);
  if (!names) return names.error();
  auto text = chat->render(said, *names);
  if (!text) return text.error();
  auto encoded = encodeChat(**tokenizer, *text);
  if (!encoded) return encoded.error();
  std::copy_n(encoded->begin(), std::min<int64_t>(capacity, static_cast<int64_t>(encoded->size())), ids);
  *count = static_cast<int64_t>(encoded->size());
  return {};
}

}  // namespace

}  // namespace quern::api

using namespace quern::api;

int quern_model_open(quern_context context, const char* path, const quern_model_options* options, quern_model* out) {
  noHandleYet(out);
  return answeredOnOwnStack([&] { return open(context, path, options, out); });
}

int quern_model_close(quern_model model) { return freed<OpenModel>(model); }

int quern_model_describe(quern_model model, quern_model_info* info) {
  return answered([&] { return describe(model, info); });
}

int quern_tokenize(quern_model model, const char* text, size_t bytes, int flags, int32_t* ids, int64_t capacity, int64_t* count) {
  return answered([&] { return tokenize(model, text, bytes, flags, ids, capacity, count); });
}

int quern_chat_ids(quern_model model, const char* family, const quern_message* messages, int64_t count_messages, int32_t* ids,
                   int64_t capacity, int64_t* count) {
  return answered([&] { return chatIds(model, family, messages, count_messages, ids, capacity, count); });
}

int quern_detokenize(quern_model model, const int32_t* ids, int64_t count, char* text, size_t capacity, size_t* bytes) {
  return answered([&] { return detokenize(model, ids, count, text, capacity, bytes); });
}
