// models/arch/GgufSizes.cpp — see GgufSizes.h.
#include "models/arch/GgufSizes.h"

namespace quern {

ModelConfig ggufSizes(Needed<Metadata>& in, const Metadata& metadata, const std::string& arch) {
  auto key = [&](const char* name) { return arch + "." + name; };
  ModelConfig c;
  c.name = in.stringOr("general.name", arch);
  c.layers = in.integer(key("block_count"), 1, 4096);
  c.context = in.integer(key("context_length"));
  c.width = in.integer(key("embedding_length"));
  c.hidden = in.integer(key("feed_forward_length"));
  c.heads = in.integer(key("attention.head_count"), 1, 65536);
  auto tokens = metadata.strings("tokenizer.ggml.tokens");
  bool counted = tokens && !tokens->empty();
  if (metadata.has(key("vocab_size"))) c.vocab = in.integer(key("vocab_size"));
  else if (counted) c.vocab = static_cast<int64_t>(tokens->size());
  else in.refuse(key("vocab_size"), "missing", "it or 'tokenizer.ggml.tokens'");
  return c;
}

}  // namespace quern
