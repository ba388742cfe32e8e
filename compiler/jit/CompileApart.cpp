// compiler/jit/CompileApart.cpp — see CompileApart.h.
#include "compiler/jit/CompileApart.h"

#include "compiler/base/Files.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include <unordered_set>

namespace quern {

namespace {

/// Counts expressions, shared ones once a statement: that is how they are emitted.
class Weight {
public:
  double of(const std::vector<LoopStmt>& body) {
    double sum = 0;
    for (const LoopStmt& statement : body) sum += of(statement);
    return sum;
  }

private:
  double of(const LoopStmt& s) {
    seen_.clear();
    double sum = 1;
    for (const LoopExprRef& arg : s.args) sum += of(arg);
    double inner = of(s.body) + of(s.otherwise);
    return sum + inner * (s.unrolled ? roundsOf(s) : 1);
  }
  double of(const LoopExprRef& expr) {
    if (expr == nullptr || !seen_.insert(expr.get()).second) return 0;
    double sum = 1;
    for (const LoopExprRef& arg : expr->args) sum += of(arg);
    return sum;
  }
  static double roundsOf(const LoopStmt& loop) {
    const int64_t *from = constantInt(loop.args[0]), *to = constantInt(loop.args[1]), *step = constantInt(loop.args[2]);
    bool known = from != nullptr && to != nullptr && step != nullptr && *step > 0;
    return known ? std::max(0.0, (static_cast<double>(*to) - static_cast<double>(*from)) / static_cast<double>(*step)) : 1;
  }

  std::unordered_set<const LoopExpr*> seen_;
};

/// What the child does: one letter (o: object, e: a message behind its code), then the bytes. Ends without destructors or handlers.
[[noreturn]] void emitInChild(const CodegenApi& api, const LoopProgram& program, const std::string& symbol, int to) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  for (int ignored : {SIGINT, SIGTERM}) std::signal(ignored, SIG_IGN);  // the parent decides
  auto object = api.emitObject(program, symbol);
  bool sent = object ? writeAll(to, "o") && writeAll(to, *object)
                     : writeAll(to, fmt::format("e{:3}{}", static_cast<int>(object.error().code), object.error().message));
  ::_exit(sent ? 0 : 1);
}

/// All that comes through the pipe; false where `stop` was asked first.
bool readUntil(int from, const Stop& stop, std::string& bytes) {
  constexpr int kPatienceMs = 20;
  std::array<char, 1 << 16> buffer;
  for (;;) {
    if (stop.asked()) return false;
    pollfd waiting{from, POLLIN, 0};
    if (::poll(&waiting, 1, kPatienceMs) <= 0) continue;
    ssize_t got = ::read(from, buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return true;
    bytes.append(buffer.data(), static_cast<size_t>(got));
  }
}

int statusOf(pid_t child) {
  int status = 0;
  while (::waitpid(child, &status, 0) < 0)
    if (errno != EINTR) return -1;
  return status;
}

}  // namespace

double weightOf(const LoopProgram& program) {
  double sum = 0;
  for (const LoopPhase& phase : program.phases) sum += Weight().of(phase.body);
  return sum;
}

Result<std::string> emitObject(const CodegenApi& api, const LoopProgram& program, const std::string& symbol, const Stop& stop) {
  if (stop.asked()) return stoppedError(program.name);
  if (!stop.possible() || weightOf(program) < kHeavyProgram) return api.emitObject(program, symbol);
  int ends[2] = {-1, -1};
  bool piped = ::pipe2(ends, O_CLOEXEC) == 0;
  Descriptor from(ends[0]), to(ends[1]);
  pid_t child = piped ? ::fork() : -1;
  if (child < 0) return api.emitObject(program, symbol);
  if (child == 0) emitInChild(api, program, symbol, to.get());
  to = Descriptor();  // or the end would not come
  std::string bytes;
  bool whole = readUntil(from.get(), stop, bytes);
  if (!whole) ::kill(child, SIGKILL);
  int status = statusOf(child);
  if (!whole) return stoppedError(program.name);
  constexpr size_t kCodeDigits = 3;
  if (bytes.starts_with('o') && status == 0) return bytes.substr(1);
  if (bytes.starts_with('e') && bytes.size() > kCodeDigits)
    return Error{static_cast<ErrorCode>(std::atoi(bytes.substr(1, kCodeDigits).c_str())), bytes.substr(1 + kCodeDigits)};
  return internalError(fmt::format("{}: the code generator ended with {} {}", program.name, WIFSIGNALED(status) ? "signal" : "status",
                                   WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status)));
}

}  // namespace quern
