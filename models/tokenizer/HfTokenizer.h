// models/tokenizer/HfTokenizer.h — the tokenizer of a Hugging Face model folder: tokenizer.json and what stands beside it.
#pragma once

#include "compiler/base/Result.h"
#include "models/tokenizer/TokenizerData.h"

#include <string>
#include <string_view>

namespace quern {

/// What a folder's vocabulary lies in.
enum class HfForm : uint8_t {
  Json,           ///< tokenizer.json
  VocabMerges,    ///< vocab.json and merges.txt, as GPT-2 has them
  VocabTxt,       ///< vocab.txt, as BERT has it
  SentencePiece,  ///< tokenizer.model
};

/// The texts of the files and their names for messages; only the first is needed (and `merges`, where the form has them).
struct HfTokenizerTexts {
  HfForm form = HfForm::Json;
  std::string_view tokenizer, config, special, generation, model, merges, added;
  std::string tokenizerFile = "tokenizer.json", configFile = "tokenizer_config.json", specialFile = "special_tokens_map.json",
              generationFile = "generation_config.json", modelFile = "config.json", mergesFile = "merges.txt",
              addedFile = "added_tokens.json";
};

/// Reads model.type BPE (byte-level as GPT-2's, Llama 3's, Qwen 2's, or over characters), Unigram, WordPiece, WordLevel. HfPipeline.h lists
/// the stages around it. Without a tokenizer.json the stages are those of tokenizer_class (HfClasses.h); SentencePieceFile.h reads
/// tokenizer.model.
///
/// tokenizer_config.json  bos_token, eos_token; add_bos_token and add_eos_token, where they are there, decide over
///                        the template of tokenizer.json; a tokenizer_class of Llama's adds begin-of-text without being told.
/// special_tokens_map.json bos_token, eos_token, where the vocabulary has them.
/// generation_config.json, config.json  eos_token_id (a number or a list); bos_token_id where nothing else names one. Ids of
///                        config.json that are outside the vocabulary are no ids.
/// Whatever any of these names as end-of-text ends a text.
/// added_tokens.json, and added_tokens_decoder of tokenizer_config.json: tokens that the vocabulary lacks; not beside tokenizer.json, which
/// has its own.
/// A model without a type is what its keys say.
/// Decoding gives the bytes back: clean_up_tokenization_spaces is not applied.
/// Errors  BadInput naming file, field, value and what would be right; other model types by name.
/// Cost    memory: the texts of the tokens up to four times over; no tree of the file.
Result<TokenizerData> parseHfTokenizer(const HfTokenizerTexts& texts);

/// Reads `tokenizerPath`, whose name says its form, and the other files of its folder where they are there.
Result<TokenizerData> readHfTokenizer(const std::string& tokenizerPath);

}  // namespace quern
