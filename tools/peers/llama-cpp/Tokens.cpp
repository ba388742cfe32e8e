// tools/peers/llama-cpp/Tokens.cpp — llama.cpp's ids of many texts with one vocabulary: what tests/tokenizer/PeerTest.cpp asks.
// Tokens MODEL.gguf < TEXTS: each text is behind its length in bytes and a line end; a line of ids for each.
#include "llama.h"

#include <cstdio>
#include <string>
#include <vector>

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  llama_log_set([](ggml_log_level, const char*, void*) {}, nullptr);
  llama_model_params parameters = llama_model_default_params();
  parameters.vocab_only = true;
  llama_model* model = llama_model_load_from_file(argv[1], parameters);
  if (model == nullptr) return 1;
  const llama_vocab* vocabulary = llama_model_get_vocab(model);
  unsigned bytes = 0;
  while (std::scanf("%u", &bytes) == 1 && std::getchar() == '\n') {
    std::string text(bytes, '\0');
    if (std::fread(text.data(), 1, bytes, stdin) != bytes) return 1;
    std::vector<llama_token> ids(bytes * 4 + 16);
    int count = llama_tokenize(vocabulary, text.data(), static_cast<int>(bytes), ids.data(), static_cast<int>(ids.size()), false, false);
    for (int i = 0; i < count; ++i) std::printf("%d ", ids[static_cast<size_t>(i)]);
    std::puts("");
  }
}
