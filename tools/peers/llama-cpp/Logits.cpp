// tools/peers/llama-cpp/Logits.cpp — llama.cpp's logits of given ids, all rows, in f32: logits MODEL IDS OUT BACKENDS [ADAPTER].
#include <cstdint>
#include <cstdio>
#include <string>
#include <vector>

#include "ggml-backend.h"
#include "llama.h"

namespace {

std::vector<int32_t> idsIn(const char* path) {
  std::vector<int32_t> ids;
  std::FILE* file = std::fopen(path, "rb");
  if (file == nullptr) return ids;
  for (int32_t id = 0; std::fread(&id, sizeof id, 1, file) == 1;) ids.push_back(id);
  std::fclose(file);
  return ids;
}

int failed(const char* what) {
  std::fprintf(stderr, "logits: %s\n", what);
  return 1;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 5 && argc != 6) return failed("MODEL IDS OUT BACKENDS [ADAPTER] are needed");
  llama_log_set(
      [](ggml_log_level level, const char* text, void*) {
        if (level >= GGML_LOG_LEVEL_ERROR) std::fputs(text, stderr);
      },
      nullptr);
  ggml_backend_load_all_from_path(argv[4]);
  llama_backend_init();
  std::vector<int32_t> ids = idsIn(argv[2]);
  if (ids.empty()) return failed("no ids");
  auto count = static_cast<int32_t>(ids.size());
  llama_model_params how = llama_model_default_params();
  how.n_gpu_layers = 0;
  llama_model* model = llama_model_load_from_file(argv[1], how);
  if (model == nullptr) return failed("the model cannot be loaded");
  llama_context_params run = llama_context_default_params();
  run.n_ctx = static_cast<uint32_t>(llama_model_n_ctx_train(model));
  run.n_batch = run.n_ubatch = static_cast<uint32_t>(count);
  run.n_threads = run.n_threads_batch = 1;
  run.type_k = run.type_v = GGML_TYPE_F32;
  run.flash_attn_type = LLAMA_FLASH_ATTN_TYPE_DISABLED;
  llama_context* context = llama_init_from_model(model, run);
  if (context == nullptr) return failed("no context");
  if (argc == 6) {
    llama_adapter_lora* adapter = llama_adapter_lora_init(model, argv[5]);
    float scale = 1;
    if (adapter == nullptr || llama_set_adapters_lora(context, &adapter, 1, &scale) != 0) return failed("the adapter cannot be loaded");
  }
  llama_batch batch = llama_batch_init(count, 0, 1);
  for (int32_t i = 0; i < count; ++i) {
    batch.token[i] = ids[static_cast<size_t>(i)];
    batch.pos[i] = i;
    batch.n_seq_id[i] = 1;
    batch.seq_id[i][0] = 0;
    batch.logits[i] = 1;
  }
  batch.n_tokens = count;
  if (llama_decode(context, batch) != 0) return failed("the ids cannot be decoded");
  auto vocab = static_cast<size_t>(llama_vocab_n_tokens(llama_model_get_vocab(model)));
  std::FILE* out = std::fopen(argv[3], "wb");
  if (out == nullptr) return failed("OUT cannot be written");
  for (int32_t i = 0; i < count; ++i) std::fwrite(llama_get_logits_ith(context, i), sizeof(float), vocab, out);
  return std::fclose(out) == 0 ? 0 : failed("OUT cannot be written");
}
