// tests/files/FilesTest.cpp — readers and writers of model files: what is written is read, real models, mapped files.
#include "compiler/base/Files.h"
#include "compiler/base/Text.h"
#include "models/ModelSource.h"
#include "models/files/FolderPath.h"
#include "models/files/Gguf.h"
#include "models/files/GgufWriter.h"
#include "models/files/Safetensors.h"
#include "models/files/SafetensorsWriter.h"
#include "models/files/WeightFiles.h"
#include "tests/Folders.h"
#include "tests/Support.h"
#include "tools/recorded/NamedModel.h"

#include <cstring>
#include <sys/stat.h>
#include <unistd.h>

namespace quern {

namespace {

std::vector<std::byte> counting(size_t bytes) {
  std::vector<std::byte> out(bytes);
  for (size_t i = 0; i < bytes; ++i) out[i] = static_cast<std::byte>(i * 7 + 3);
  return out;
}

/// Hands `bytes` over in pieces of `step`.
ByteSource inPieces(const std::vector<std::byte>& bytes, size_t step) {
  return [&bytes, step](const ByteSink& put) -> Result<void> {
    for (size_t at = 0; at < bytes.size(); at += step)
      if (auto good = put(std::span(bytes).subspan(at, std::min(step, bytes.size() - at))); !good) return good;
    return {};
  };
}

bool sameBytes(const FileTensor& tensor, const std::vector<std::byte>& bytes) {
  return tensor.bytes == static_cast<int64_t>(bytes.size()) && (bytes.empty() || std::memcmp(tensor.data, bytes.data(), bytes.size()) == 0);
}

/// Where the models to test with are; "" with a reason where they are not.
std::string shared(const std::string& what) {
  std::string path = sharedFile(what);
  if (::access(path.c_str(), R_OK) == 0) return path;
  WARN("skipped: there is no " << path);
  return "";
}

}  // namespace

TEST_CASE("gguf: what is written is read") {
  Folder folder;
  std::string path = folder.path + "/m.gguf";
  auto big = counting(96 * 4), half = counting(6), blocks = counting(2 * 34);
  std::vector<std::string> words = {"", "a", std::string("x\0y", 3)};
  std::vector<float> numbers = {0.5f, -1e30f};
  std::vector<int32_t> ids = {-1, 1 << 30};
  for (uint32_t alignment : {0u, 8u, 64u, 4096u}) {
    GgufWriter writer;
    if (alignment != 0) writer.alignment(alignment);
    writer.string("general.architecture", "llama");
    writer.u32("u", 4000000000u);
    writer.i32("i", -5);
    writer.u64("l", UINT64_MAX);
    writer.f32("f", 0.25f);
    writer.boolean("b", true);
    writer.strings("words", words);
    writer.floats("numbers", numbers);
    writer.integers("ids", ids);
    writer.tensor("half", TensorType::F16, {3}, sourceOf(half));
    writer.tensor("none", TensorType::F32, {0, 8}, sourceOf({}));
    writer.tensor("big", TensorType::F32, {2, 1, 6, 8}, inPieces(big, 100));
    writer.tensor("blocks", TensorType::Q8_0, {2, 32}, inPieces(blocks, 1));
    REQUIRE(writer.write(path));
    auto files = WeightFiles::open(path);
    INFO(alignment << " " << (files ? "" : files.error().message));
    REQUIRE(files);
    const Metadata& metadata = files->metadata();
    CHECK(**metadata.string("general.architecture") == "llama");
    CHECK(*metadata.integer("u", 0, INT64_MAX) == 4000000000);
    CHECK(*metadata.integer("i", -9, 9) == -5);
    CHECK(!metadata.integer("l", 0, INT64_MAX));
    CHECK(*metadata.number("f") == 0.25);
    CHECK(*metadata.boolean("b") == true);
    CHECK(std::vector<std::string>(metadata.strings("words")->begin(), metadata.strings("words")->end()) == words);
    CHECK(*metadata.floats("numbers") == numbers);
    CHECK(*metadata.integers("ids") == ids);
    CHECK(files->alignment() == (alignment == 0 ? 32 : alignment));
    CHECK(files->tensors().size() == 4);
    CHECK(sameBytes(*files->find("half"), half));
    CHECK(sameBytes(*files->find("none"), {}));
    CHECK(sameBytes(*files->find("big"), big));
    CHECK(sameBytes(*files->find("blocks"), blocks));
    CHECK(files->find("big")->shape == std::vector<int64_t>{2, 1, 6, 8});
    CHECK(files->find("bigg") == nullptr);
    CHECK(files->find("") == nullptr);
    CHECK(files->tensorBytes() == 6 + 384 + 68);
    for (const FileTensor& tensor : files->tensors()) CHECK(tensor.offset % files->alignment() == 0);
  }
}

TEST_CASE("safetensors: what is written is read") {
  Folder folder;
  auto big = counting(4 * 10), odd = counting(3);
  SafetensorsWriter writer;
  writer.note("format", "pt");
  writer.tensor("odd", TensorType::U8, {3}, sourceOf(odd));
  writer.tensor("none", TensorType::BF16, {4, 0}, sourceOf({}));
  writer.tensor("big \"\\\n\xc3\xa9", TensorType::F32, {2, 5}, inPieces(big, 7));
  writer.tensor("scalar", TensorType::U8, {}, sourceOf(std::span(odd).first(1)));
  REQUIRE(writer.write(folder.path + "/model.safetensors"));
  REQUIRE(writeFileAtomically(folder.path + "/config.json", R"({"model_type": "x"})"));
  auto files = WeightFiles::open(folder.path);
  INFO((files ? "" : files.error().message));
  REQUIRE(files);
  CHECK(files->format() == WeightFormat::Safetensors);
  CHECK(files->config()->find("model_type") != nullptr);
  CHECK(files->tokenizerPath().empty());
  CHECK(sameBytes(*files->find("odd"), odd));
  CHECK(sameBytes(*files->find("big \"\\\n\xc3\xa9"), big));
  CHECK(files->find("scalar")->shape.empty());
  CHECK(files->find("scalar")->elements() == 1);
  CHECK(files->find("none")->elements() == 0);
  REQUIRE(writeFileAtomically(folder.path + "/tokenizer.json", "{}"));
  CHECK(WeightFiles::open(folder.path)->tokenizerPath() == folder.path + "/tokenizer.json");
}

TEST_CASE("writers: what cannot be written leaves nothing behind, and an old file stays") {
  Folder folder;
  std::string path = folder.path + "/m.gguf";
  auto bytes = counting(16);
  auto attempt = [&](TensorType type, std::vector<int64_t> shape, ByteSource source) {
    GgufWriter writer;
    writer.tensor("a", type, std::move(shape), std::move(source));
    auto good = writer.write(path);
    return good ? std::string() : good.error().message;
  };
  CHECK(attempt(TensorType::F32, {4}, sourceOf(bytes)).empty());
  auto before = readFile(path);
  CHECK(attempt(TensorType::F32, {3}, sourceOf(bytes)) == "tensor 'a': more than its 12 bytes are given");
  CHECK(attempt(TensorType::F32, {5}, sourceOf(bytes)) == "tensor 'a': fewer than its 20 bytes are given");
  CHECK(attempt(TensorType::F32, {4}, [](const ByteSink&) -> Result<void> { return badInput("gone"); }) == "gone");
  CHECK(attempt(TensorType::U8, {16}, sourceOf(bytes)) == path + ": tensor 'a', [16] of u8, cannot be written to GGUF");
  CHECK(attempt(TensorType::Q4_0, {16}, sourceOf(bytes)) == path + ": tensor 'a', [16] of q4_0, cannot be written to GGUF");
  CHECK(attempt(TensorType::F32, {}, sourceOf(bytes)) == path + ": tensor 'a', [] of f32, cannot be written to GGUF");
  CHECK(listDirectory(folder.path) == std::vector<std::string>{"m.gguf"});
  CHECK(*readFile(path) == *before);
  SafetensorsWriter twice;
  twice.tensor("a", TensorType::U8, {16}, sourceOf(bytes));
  twice.tensor("a", TensorType::U8, {16}, sourceOf(bytes));
  CHECK(twice.write(path).error().message == path + ": tensor 'a' has a name that is taken");
  SafetensorsWriter quantized;
  quantized.tensor("q", TensorType::Q8_0, {32}, sourceOf(bytes));
  CHECK(quantized.write(path).error().message == path + ": tensor 'q' cannot be written to safetensors");
  std::string link = folder.path + "/link.gguf";
  REQUIRE(::symlink(path.c_str(), link.c_str()) == 0);
  REQUIRE(GgufWriter().write(link));
  struct stat info{};
  CHECK((::lstat(link.c_str(), &info) == 0 && S_ISLNK(info.st_mode)));
  CHECK(WeightFiles::open(path)->tensors().empty());
  GgufWriter elsewhere;
  auto good = elsewhere.write(folder.path + "/no/m.gguf");
  REQUIRE(!good);
  CHECK(good.error().code == ErrorCode::Machine);
}

TEST_CASE("mapped files: the address stays when moved, dropped pages are read again") {
  Folder folder;
  std::string path = folder.path + "/f", content(5 * 4096 + 17, 'x');
  for (size_t i = 0; i < content.size(); ++i) content[i] = static_cast<char>('a' + i % 26);
  REQUIRE(writeFileAtomically(path, content));
  auto file = MappedFile::open(path);
  REQUIRE(file);
  const std::byte* address = file->data();
  MappedFile moved = std::move(*file);
  CHECK(moved.data() == address);
  CHECK(moved.bytes() == static_cast<int64_t>(content.size()));
  moved.drop(10, 3 * 4096);
  moved.drop(0, moved.bytes());
  moved.drop(-5, 3);
  moved.drop(moved.bytes() + 100000, 5);
  CHECK(moved.text() == content);
  moved = MappedFile::open(path).operator*().path() == path ? std::move(*MappedFile::open(path)) : std::move(moved);
  CHECK(moved.text() == content);
}

TEST_CASE("mapped files: an address leads to its file as long as it is mapped, and changes are found") {
  Folder folder;
  std::string path = folder.path + "/f\x1b", other = folder.path + "/g";
  REQUIRE(writeFileAtomically(path, std::string(10000, 'x')));
  REQUIRE(writeFileAtomically(other, std::string(100, 'y')));
  const std::byte* address = nullptr;
  {
    MappedFile file = std::move(*MappedFile::open(path)), second = std::move(*MappedFile::open(other));
    address = file.data();
    REQUIRE(mappedFileAt(address) != nullptr);
    CHECK(mappedFileAt(address) == escapedShort(path));
    CHECK(mappedFileAt(address + 9999) == escapedShort(path));
    CHECK(mappedFileAt(second.data() + 99) == escapedShort(other));
    CHECK(mappedFileAt(&folder) == nullptr);
    CHECK(file.checkUnchanged());
    REQUIRE(::truncate(path.c_str(), 9999) == 0);
    CHECK(file.checkUnchanged().error().message == escapedShort(path) + ": changed while it was read");
    REQUIRE(writeFileAtomically(other, "another file of that name"));
    CHECK(second.checkUnchanged());
  }
  CHECK(mappedFileAt(address) == nullptr);
  for (int i = 0; i < 1000; ++i) REQUIRE(MappedFile::open(other));  // places are used again
}

TEST_CASE("types: the table is whole, names and ids lead back") {
  for (const TensorTypeInfo& info : tensorTypes()) {
    CAPTURE(info.name);
    CHECK(infoOf(info.type).name == info.name);
    CHECK(typeOfName(info.name) == info.type);
    if (info.ggufId >= 0) CHECK(typeOfGgufId(static_cast<uint32_t>(info.ggufId)) == info.type);
    if (!info.dtype.empty()) CHECK(typeOfDtype(info.dtype) == info.type);
    CHECK((info.ggufId >= 0 || !info.dtype.empty()));
    CHECK(rowBytes(info.type, info.blockElements * 3) == info.blockBytes * 3);
    CHECK(rowBytes(info.type, 0) == 0);
    CHECK(rowBytes(info.type, -info.blockElements) == std::nullopt);
    if (info.blockElements > 1) CHECK(rowBytes(info.type, info.blockElements * 3 - 1) == std::nullopt);
  }
  CHECK(typeOfGgufId(4) == std::nullopt);
  CHECK(typeOfGgufId(UINT32_MAX) == std::nullopt);
  CHECK(typeOfName("Q4_k") == TensorType::Q4_K);
  CHECK(typeOfName("q4") == std::nullopt);
  CHECK(typeOfDtype("") == std::nullopt);
  CHECK(rowBytes(TensorType::F64, INT64_MAX / 4) == std::nullopt);
  CHECK(elementsOf(std::vector<int64_t>{INT64_MAX, 2, 0}) == std::nullopt);
  CHECK(elementsOf(std::vector<int64_t>{3, 0, 5}) == 0);
  CHECK(elementsOf(std::vector<int64_t>{}) == 1);
  CHECK(elementsOf(std::vector<int64_t>{3, -1}) == std::nullopt);
}

TEST_CASE("names from files stay short and printable in messages") {
  CHECK(escapedShort("plain") == "plain");
  CHECK(escapedShort("\x1b[2J\xff") == "\\x1b[2J\\xff");
  CHECK(escapedShort(std::string(120, 'x')).size() == 120);
  CHECK(escapedShort(std::string(100000, 'x')).size() == 125);
  CHECK(escapedShort(std::string(100000, '\0')).size() == 125);
  CHECK(escapedShort(std::string(31, '\0')).size() == 125);
}

TEST_CASE("a file in a folder, however the folder is written") {
  CHECK(pathIn("m", "config.json") == "m/config.json");
  CHECK(pathIn("a/m//", "config.json") == "a/m/config.json");
  CHECK(pathIn("/", "config.json") == "/config.json");
  CHECK(pathIn("//", "config.json") == "/config.json");
  CHECK(pathIn(".", "x") == "./x");
}

TEST_CASE("which words are model files") {
  CHECK(namesModelFiles("./smallmind-small"));
  CHECK(namesModelFiles("missing.gguf"));
  CHECK(!namesModelFiles("smallmind-small"));
  CHECK(!namesModelFiles("some/where.toml"));
  CHECK(!namesModelFiles("no-such-name"));
}

TEST_CASE("real models are read: a Llama in GGUF, a GPT-2 in safetensors") {
  if (std::string path = shared("models/stories260K/stories260K.gguf"); !path.empty()) {
    auto files = WeightFiles::open(path);
    INFO((files ? "" : files.error().message));
    REQUIRE(files);
    CHECK(*files->metadata().integer("llama.block_count", 0, 99) == 5);
    CHECK(files->metadata().strings("tokenizer.ggml.tokens")->size() == 512);
    CHECK(files->metadata().floats("tokenizer.ggml.scores")->size() == 512);
    REQUIRE(files->find("blk.4.ffn_down.weight") != nullptr);
    CHECK(files->find("blk.4.ffn_down.weight")->shape == std::vector<int64_t>{64, 172});
  }
  if (std::string path = shared("models/nanogpt-sort"); !path.empty()) {
    auto files = WeightFiles::open(path);
    INFO((files ? "" : files.error().message));
    REQUIRE(files);
    CHECK(*JsonFields(files->configPath(), *files->config()).integer("n_layer", 0, 99) == 3);
    REQUIRE(files->find("transformer.h.0.attn.c_attn.weight") != nullptr);
    CHECK(files->find("transformer.h.0.attn.c_attn.weight")->shape == std::vector<int64_t>{48, 144});
    int64_t elements = 0;
    for (const FileTensor& tensor : files->tensors()) elements += tensor.elements();
    CHECK(elements == 85296);
  }
  for (const char* name : {"gpt-2", "llama-spm"})
    if (std::string path = shared(std::string("tokenizers/ggml-vocab-") + name + ".gguf"); !path.empty()) {
      auto files = WeightFiles::open(path);
      INFO((files ? "" : files.error().message));
      REQUIRE(files);
      CHECK(files->tensors().empty());
      CHECK(files->metadata().strings("tokenizer.ggml.tokens")->size() >= 32000);
    }
}

}  // namespace quern
