// models/tokenizer/HfTokenizer.h — the tokenizer of a Hugging Face model folder: tokenizer.json and what stands beside it.
#pragma once

#include "compiler/base/Result.h"
#include "models/tokenizer/TokenizerData.h"

#include <string>
#include <string_view>

namespace quern {

/// The texts of the files and their names for messages; only tokenizer.json is needed.
struct HfTokenizerTexts {
  std::string_view tokenizer, config, special, generation, model;
  std::string tokenizerFile = "tokenizer.json", configFile = "tokenizer_config.json", specialFile = "special_tokens_map.json",
              generationFile = "generation_config.json", modelFile = "config.json";
};

/// Reads model.type BPE: byte-level (GPT-2, Llama 3, Qwen 2), or over characters with byte_fallback as converted from
/// SentencePiece (Llama 2, Mistral, TinyLlama). HfPipeline.h lists the stages around it.
///
/// tokenizer_config.json  bos_token, eos_token; add_bos_token and add_eos_token, where they are there, decide over
///                        the template of tokenizer.json; a tokenizer_class of Llama's adds begin-of-text without being told.
/// special_tokens_map.json bos_token, eos_token, where the vocabulary has them.
/// generation_config.json, config.json  eos_token_id (a number or a list); bos_token_id where nothing else names one. Ids of
///                        config.json that are outside the vocabulary are no ids.
/// Whatever any of these names as end-of-text ends a text.
/// A model without a type is BPE where it has merges, or keys that BPE alone has.
/// Decoding gives the bytes back: clean_up_tokenization_spaces is not applied.
/// Errors  BadInput naming file, field, value and what would be right; other model types by name.
/// Cost    memory: the texts of the tokens up to four times over; no tree of the file.
Result<TokenizerData> parseHfTokenizer(const HfTokenizerTexts& texts);

/// Reads `tokenizerPath` and the other files of its folder where they are there.
Result<TokenizerData> readHfTokenizer(const std::string& tokenizerPath);

}  // namespace quern
