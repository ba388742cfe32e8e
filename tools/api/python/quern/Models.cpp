// tools/api/python/quern/Models.cpp — quern.Model, its sessions, and texts as iterators.
#include "tools/api/python/quern/Ops.h"

#include <pybind11/stl.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <thread>

namespace quern::python {

namespace {

/// Whether Ctrl-C came, or a callback raised: what a callback of the library answers.
int interrupted() {
  py::gil_scoped_acquire held;
  return PyErr_CheckSignals() != 0 ? 1 : 0;
}

std::vector<int32_t> idsOf(const std::vector<int64_t>& given) {
  std::vector<int32_t> ids;
  for (int64_t id : given) {
    if (id < 0 || id > INT32_MAX) throw py::value_error("ids: " + std::to_string(id) + " is no token id");
    ids.push_back(static_cast<int32_t>(id));
  }
  return ids;
}

/// Runs `body` on a thread of its own while this one, which alone hears Ctrl-C, looks out for it: `asked` is true from then on. The GIL is
/// released. Returns the status, with its message as this thread's.
template <class Body>
int whileListening(std::atomic<bool>& asked, const Body& body) {
  std::mutex guard;
  std::condition_variable ended;
  std::optional<int> status;
  std::string message;
  std::thread worker([&] {
    int own = body();
    std::string said = own == QUERN_OK ? "" : quern_error_message();
    std::lock_guard lock(guard);
    status = own, message = std::move(said);
    ended.notify_one();
  });
  {
    py::gil_scoped_release released;
    std::unique_lock lock(guard);
    while (!ended.wait_for(lock, std::chrono::milliseconds(50), [&] { return status.has_value(); })) {
      lock.unlock();
      if (interrupted() != 0) asked = true;
      lock.lock();
    }
  }
  worker.join();
  if (*status != QUERN_OK && *status != QUERN_STOPPED) raiseStatus(*status, message);
  return *status;
}

class ModelHandle {
public:
  ModelHandle(std::shared_ptr<Kernels> of, const std::optional<std::string>& path, quern_model_options options) : kernels(std::move(of)) {
    std::atomic<bool> asked{false};
    options.progress = [](void* user, double, double) { return static_cast<std::atomic<bool>*>(user)->load() ? 1 : 0; };
    options.user = &asked;
    raiseUnless(
        whileListening(asked, [&] { return quern_model_open(kernels->context, path ? path->c_str() : nullptr, &options, &model); }));
    info.size = sizeof info;
    raiseUnless(quern_model_describe(model, &info));
  }
  ModelHandle(const ModelHandle&) = delete;
  ~ModelHandle() { quern_model_close(model); }

  std::vector<int32_t> tokenize(const std::string& text, bool begin, bool special) const {
    int flags = (begin ? 0 : QUERN_NO_BEGIN) | (special ? QUERN_SPECIAL : 0);
    std::vector<int32_t> ids(text.size() + 8);
    int64_t count = 0;
    raiseUnless(quern_tokenize(model, text.data(), text.size(), flags, ids.data(), static_cast<int64_t>(ids.size()), &count));
    if (count > static_cast<int64_t>(ids.size())) {
      ids.resize(static_cast<size_t>(count));
      raiseUnless(quern_tokenize(model, text.data(), text.size(), flags, ids.data(), count, &count));
    }
    ids.resize(static_cast<size_t>(count));
    return ids;
  }
  std::vector<int32_t> chatIds(const std::vector<std::pair<std::string, std::string>>& said,
                               const std::optional<std::string>& family) const {
    std::vector<quern_message> messages;
    for (const auto& [role, content] : said) messages.push_back({role.c_str(), content.c_str()});
    auto many = static_cast<int64_t>(messages.size());
    const char* name = family ? family->c_str() : nullptr;
    int64_t count = 0;
    raiseUnless(quern_chat_ids(model, name, messages.data(), many, nullptr, 0, &count));
    std::vector<int32_t> ids(static_cast<size_t>(count));
    raiseUnless(quern_chat_ids(model, name, messages.data(), many, ids.data(), count, &count));
    return ids;
  }
  py::bytes detokenize(const std::vector<int64_t>& given) const {
    std::vector<int32_t> ids = idsOf(given);
    size_t bytes = 0;
    raiseUnless(quern_detokenize(model, ids.data(), static_cast<int64_t>(ids.size()), nullptr, 0, &bytes));
    std::string text(bytes, 0);
    raiseUnless(quern_detokenize(model, ids.data(), static_cast<int64_t>(ids.size()), text.data(), bytes, &bytes));
    return text;
  }

  std::shared_ptr<Kernels> kernels;
  quern_model model = nullptr;
  quern_model_info info{};
};

class SessionHandle {
public:
  SessionHandle(std::shared_ptr<ModelHandle> of, int threads) : model(std::move(of)) {
    int status = 0;
    {
      py::gil_scoped_release released;
      status = quern_session_open(model->model, threads, &session);
    }
    raiseUnless(status);
  }
  SessionHandle(const SessionHandle&) = delete;
  ~SessionHandle() { quern_session_close(session); }

  /// Ids go through in pieces, so that Ctrl-C is heard between.
  py::array_t<float> feed(const std::vector<int64_t>& given, std::optional<int64_t> wanted) {
    std::unique_lock<std::mutex> alone(use_, std::try_to_lock);
    if (!alone) throw py::value_error("the session is in use by another call: one at a time");
    std::vector<int32_t> ids = idsOf(given);
    auto count = static_cast<int64_t>(ids.size());
    int64_t outputs = wanted ? *wanted : std::min<int64_t>(1, count), vocab = model->info.vocab, before = position();
    if (outputs < 0 || outputs > count)
      throw py::value_error("outputs: " + std::to_string(outputs) + ", 0 to the number of ids, " + std::to_string(count) + ", can be");
    if (before + count > model->info.context)
      throw py::value_error("ids: " + std::to_string(count) + " at position " + std::to_string(before) + " are beyond the context of " +
                            std::to_string(model->info.context));
    py::array_t<float> logits({outputs, vocab});
    float* into = logits.mutable_data();
    constexpr int64_t kPiece = 512;
    for (int64_t done = 0; done < count; done += kPiece) {
      int64_t now = std::min(kPiece, count - done), here = std::clamp<int64_t>(done + now - (count - outputs), 0, now);
      int status = 0;
      {
        py::gil_scoped_release released;
        status = quern_session_feed(session, ids.data() + done, now, here, into);
      }
      if (status == QUERN_OK && PyErr_CheckSignals() != 0) status = QUERN_STOPPED;
      if (status != QUERN_OK) (void)quern_session_rewind(session, before);
      raiseUnless(status);
      into += here * vocab;
    }
    return logits;
  }
  int64_t position() const {
    int64_t at = 0;
    raiseUnless(quern_session_position(session, &at));
    return at;
  }
  void rewind(int64_t to) { raiseUnless(quern_session_rewind(session, to)); }

  std::shared_ptr<ModelHandle> model;
  quern_session session = nullptr;

private:
  std::mutex use_;  ///< for all pieces of a feed
};

/// An iterator of (id, bytes).
class GenerationHandle {
public:
  GenerationHandle(std::shared_ptr<SessionHandle> of, const std::vector<int64_t>& prompt, quern_generate_options options)
      : session_(std::move(of)) {
    std::vector<int32_t> ids = idsOf(prompt);
    options.size = sizeof options;
    options.prefilled = [](void*, int64_t, int64_t) { return interrupted(); };
    raiseUnless(quern_generation_open(session_->session, ids.data(), static_cast<int64_t>(ids.size()), &options, &generation_));
  }
  GenerationHandle(const GenerationHandle&) = delete;
  ~GenerationHandle() { close(); }

  std::pair<int32_t, py::bytes> next() {
    int32_t id = -1;
    const char* text = nullptr;
    size_t bytes = 0;
    int status = 0;
    if (generation_ == nullptr) throw py::stop_iteration();
    {
      py::gil_scoped_release released;
      status = quern_generation_next(generation_, &id, &text, &bytes);
    }
    raiseUnless(status);
    py::bytes said(bytes == 0 ? "" : text, bytes);
    if (id < 0) {
      close();
      if (bytes == 0) throw py::stop_iteration();
    }
    return {id, said};
  }
  void close() {
    if (generation_ != nullptr) quern_generation_close(generation_);
    generation_ = nullptr;
  }

private:
  std::shared_ptr<SessionHandle> session_;
  quern_generation generation_ = nullptr;
};

void defineModel(py::module_& module) {
  py::class_<ModelHandle, std::shared_ptr<ModelHandle>>(module, "ModelHandle")
      .def(py::init([](std::shared_ptr<Kernels> kernels, const std::optional<std::string>& path, const std::optional<std::string>& compute,
                       const std::optional<std::string>& order, const std::optional<std::string>& kv, int64_t context, int threads,
                       const std::vector<std::string>& adapters) {
        auto text = [](const std::optional<std::string>& given) { return given ? given->c_str() : nullptr; };
        std::vector<const char*> names;
        for (const std::string& each : adapters) names.push_back(each.c_str());
        names.push_back(nullptr);
        quern_model_options options{sizeof(quern_model_options),
                                    text(compute),
                                    text(order),
                                    text(kv),
                                    context,
                                    threads,
                                    nullptr,
                                    nullptr,
                                    adapters.empty() ? nullptr : names.data()};
        return std::make_shared<ModelHandle>(std::move(kernels), path, options);
      }))
      .def("tokenize", &ModelHandle::tokenize)
      .def("chat_ids", &ModelHandle::chatIds)
      .def("detokenize", &ModelHandle::detokenize)
      .def("info", [](const ModelHandle& model) {
        const quern_model_info& info = model.info;
        py::dict out;
        out["architecture"] = info.architecture, out["vocab"] = info.vocab, out["context"] = info.context, out["layers"] = info.layers;
        out["width"] = info.width, out["heads"] = info.heads, out["kv_heads"] = info.kv_heads, out["weight_bytes"] = info.weight_bytes;
        out["session_bytes"] = info.session_bytes, out["begin"] = info.begin, out["has_text"] = info.has_text != 0;
        out["arithmetic"] = info.arithmetic;
        return out;
      });
}

void defineSession(py::module_& module) {
  py::class_<SessionHandle, std::shared_ptr<SessionHandle>>(module, "SessionHandle")
      .def(py::init<std::shared_ptr<ModelHandle>, int>())
      .def("feed", &SessionHandle::feed)
      .def("position", &SessionHandle::position)
      .def("rewind", &SessionHandle::rewind);
  py::class_<GenerationHandle>(module, "GenerationHandle")
      .def(py::init([](std::shared_ptr<SessionHandle> session, const std::vector<int64_t>& prompt, int64_t most, double temperature,
                       int64_t topK, double topP, double minP, double repeatPenalty, int64_t repeatLast, uint64_t seed) {
        quern_generate_options options{0, most, temperature, topK, topP, minP, repeatPenalty, repeatLast, seed, nullptr, nullptr};
        return std::make_unique<GenerationHandle>(std::move(session), prompt, options);
      }))
      .def("next", &GenerationHandle::next)
      .def("close", &GenerationHandle::close);
}

}  // namespace

void defineModels(py::module_& module) {
  defineModel(module);
  defineSession(module);
}

}  // namespace quern::python

PYBIND11_MODULE(_core, module) {
  module.doc() = "What the package quern is made of: the C library, with Python's types.";
  module.attr("__version__") = quern_version();
  quern::python::defineOps(module);
  quern::python::defineModels(module);
}
