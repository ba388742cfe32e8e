// tuner/worker/WorkerProcess.cpp — see WorkerProcess.h.
#include "tuner/worker/WorkerProcess.h"

#include "compiler/base/Files.h"
#include "compiler/base/Text.h"
#include "tuner/measure/Timing.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

namespace quern {

namespace {

/// What stands before the bytes of a request and of an answer.
struct FrameHead {
  uint64_t magic, number, length, checksum;
};
constexpr uint64_t kMagic = 0x71756572'6e667261;
constexpr int kErrors = 2;  ///< where a process says what went wrong; in a worker, the file in memory
constexpr uint64_t kLongestFrame = uint64_t{64} << 20;

/// FNV-1a: against accidents.
uint64_t checksumOf(std::string_view bytes) {
  uint64_t hash = 0xcbf29ce484222325;
  for (char c : bytes) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  return hash;
}

std::string framed(uint64_t number, std::string_view bytes) {
  FrameHead head{kMagic, number, bytes.size(), checksumOf(bytes)};
  std::string frame(reinterpret_cast<const char*>(&head), sizeof head);
  return frame.append(bytes);
}

bool readAll(int fd, void* to, size_t bytes) {
  for (size_t done = 0; done < bytes;) {
    ssize_t got = ::read(fd, static_cast<char*>(to) + done, bytes - done);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return false;
    done += static_cast<size_t>(got);
  }
  return true;
}

void limit(__rlimit_resource what, rlim_t most) {
  rlimit both{most, most};
  ::setrlimit(what, &both);
}

/// Address space of this process, in bytes.
int64_t addressSpace() {
  int64_t pages = 0;
  if (std::FILE* file = std::fopen("/proc/self/statm", "re"); file != nullptr) {
    if (std::fscanf(file, "%ld", &pages) != 1) pages = 0;
    std::fclose(file);
  }
  return pages * ::sysconf(_SC_PAGESIZE);
}

/// In the child, before it serves: it goes with its parent, alone in its group, with default signals and limits.
void settle(pid_t parent, const WorkerLimits& limits, int printed) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != parent) ::_exit(1);  // it died before that was asked for
  ::setpgid(0, 0);
  for (int signal = 1; signal < NSIG; ++signal) std::signal(signal, SIG_DFL);
  for (int ignored : {SIGINT, SIGTERM}) std::signal(ignored, SIG_IGN);  // the parent decides
  std::signal(SIGPIPE, SIG_DFL);
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  constexpr rlim_t kPrinted = 16 << 20;
  limit(RLIMIT_CORE, 0);
  limit(RLIMIT_FSIZE, kPrinted);
  if (int64_t has = addressSpace(); has > 0) limit(RLIMIT_AS, static_cast<rlim_t>(has + limits.memoryBytes));
  if (int null = ::open("/dev/null", O_RDONLY | O_CLOEXEC); null >= 0) ::dup2(null, 0);
  for (int standard : {1, kErrors}) ::dup2(printed, standard);
  if (limits.cpu >= 0) {
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(static_cast<size_t>(limits.cpu), &one);
    ::sched_setaffinity(0, sizeof one, &one);
  }
}

/// A backup of the parent's clock: more processor time than that, of all threads together, ends the process.
void allowCpuSeconds(double seconds) {
  rusage used{};
  ::getrusage(RUSAGE_SELF, &used);
  rlimit now{};
  ::getrlimit(RLIMIT_CPU, &now);
  constexpr rlim_t kSpare = 2;
  now.rlim_cur = static_cast<rlim_t>(used.ru_utime.tv_sec + used.ru_stime.tv_sec) + static_cast<rlim_t>(seconds) + kSpare;
  ::setrlimit(RLIMIT_CPU, &now);
}

}  // namespace

WorkerProcess::WorkerProcess(Serve serve, WorkerLimits limits) : serve_(std::move(serve)), limits_(limits) {}

Result<void> WorkerProcess::start() {
  int there[2] = {-1, -1}, back[2] = {-1, -1};
  bool piped = ::pipe2(there, O_CLOEXEC) == 0 && ::pipe2(back, O_CLOEXEC) == 0;
  Descriptor childFrom(there[0]), to(there[1]), from(back[0]), childTo(back[1]);
  Descriptor printed(::memfd_create("quern-worker", MFD_CLOEXEC));
  if (!piped || !printed) return machineLacks(fmt::format("no pipes for a worker process: {}", std::strerror(errno)));
  ::prctl(PR_SET_CHILD_SUBREAPER, 1);  // what a worker leaves behind comes to us, and is waited for
  std::fflush(nullptr);
  pid_t parent = ::getpid(), child = ::fork();
  if (child < 0) return machineLacks(fmt::format("no worker process: {}", std::strerror(errno)));
  if (child == 0) {
    settle(parent, limits_, printed.get());
    to = Descriptor(), from = Descriptor();
    serve(childFrom.get(), childTo.get());
  }
  ::setpgid(child, child);  // here too: whoever comes first
  pid_ = child;
  to_ = std::move(to), from_ = std::move(from), printed_ = std::move(printed);
  ::fcntl(from_.get(), F_SETFL, O_NONBLOCK);
  death_ = Descriptor(static_cast<int>(::syscall(SYS_pidfd_open, child, 0)));
  bytes_.clear();
  ++started_;
  return {};
}

void WorkerProcess::serve(int from, int to) {
  for (;;) {
    FrameHead head{};
    double seconds = 0;
    if (!readAll(from, &head, sizeof head) || !readAll(from, &seconds, sizeof seconds)) ::_exit(0);
    std::string request(head.length, '\0');
    if (!readAll(from, request.data(), request.size())) ::_exit(0);
    allowCpuSeconds(seconds * limits_.threads);
    std::string answer;
    try {
      answer = serve_(request);
    } catch (const std::exception& error) {
      writeAll(kErrors, error.what());
      ::_exit(1);
    }
    if (!writeAll(to, framed(head.number, answer))) ::_exit(1);
  }
}

Result<void> WorkerProcess::post(std::string_view request, double seconds) {
  FrameHead head{kMagic, ++number_, request.size(), checksumOf(request)};
  std::string frame(reinterpret_cast<const char*>(&head), sizeof head);
  frame.append(reinterpret_cast<const char*>(&seconds), sizeof seconds).append(request);
  auto before = std::signal(SIGPIPE, SIG_IGN);  // one that died between two requests
  bool sent = false;
  Result<void> good;
  for (int tries = 0; tries < 2 && !sent && good; ++tries) {
    if (!running()) good = start();
    sent = good && writeAll(to_.get(), frame);
    if (good && !sent) end();
  }
  std::signal(SIGPIPE, before);
  if (good && !sent) return machineLacks("a worker process does not take requests");
  until_ = nowSeconds() + seconds;
  return good;
}

std::optional<Result<std::string>> WorkerProcess::answer(int patienceMs) {
  pollfd waiting[] = {{from_.get(), POLLIN, 0}, {death_.get(), POLLIN, 0}};
  double left = (until_ - nowSeconds()) * 1e3;
  ::poll(waiting, 2, std::clamp(static_cast<int>(left) + 1, 0, patienceMs));
  if (auto whole = take()) return whole;
  siginfo_t info{};
  bool died = ::waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid == pid_;
  if (died) {
    if (auto whole = take()) return whole;  // its last answer
    std::string how = info.si_code == CLD_EXITED ? fmt::format("ended with status {} and no answer", info.si_status)
                                                 : fmt::format("crashed: SIG{}", sigabbrev_np(info.si_status));
    return lost(how);
  }
  if (nowSeconds() >= until_) return lost("took longer than it may");
  return std::nullopt;
}

/// What has come: an answer that is whole, or something that cannot become one.
std::optional<Result<std::string>> WorkerProcess::take() {
  std::array<char, 1 << 16> buffer;
  for (;;) {
    ssize_t got = ::read(from_.get(), buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) break;
    bytes_.append(buffer.data(), static_cast<size_t>(got));
    if (bytes_.size() > kLongestFrame + sizeof(FrameHead)) return lost("answered rubbish");
  }
  if (bytes_.size() < sizeof(FrameHead)) return std::nullopt;
  FrameHead head{};
  std::memcpy(&head, bytes_.data(), sizeof head);
  if (head.magic != kMagic || head.number != number_ || head.length > kLongestFrame) return lost("answered rubbish");
  if (bytes_.size() < sizeof head + head.length) return std::nullopt;
  std::string answer = bytes_.substr(sizeof head);
  if (answer.size() != head.length || checksumOf(answer) != head.checksum) return lost("answered rubbish");
  bytes_.clear();
  return Result<std::string>(std::move(answer));
}

Result<std::string> WorkerProcess::lost(const std::string& why) {
  std::string words = lastWords();
  end();
  return internalError(words.empty() ? why : fmt::format("{} ({})", why, words));
}

/// The last line that it printed.
std::string WorkerProcess::lastWords() const {
  constexpr off_t kEnd = 400;
  std::array<char, kEnd> end;
  off_t size = ::lseek(printed_.get(), 0, SEEK_END);
  ssize_t got = size <= 0 ? 0 : ::pread(printed_.get(), end.data(), kEnd, std::max<off_t>(0, size - kEnd));
  std::string_view text = trim(std::string_view(end.data(), static_cast<size_t>(std::max<ssize_t>(0, got))));
  return escaped(text.substr(text.rfind('\n') + 1));
}

Result<std::string> WorkerProcess::ask(std::string_view request, double seconds, const Stop& stop) {
  if (auto good = post(request, seconds); !good) return good.error();
  constexpr int kPatienceMs = 20;
  for (;;) {
    if (auto whole = answer(kPatienceMs)) return std::move(*whole);
    if (!stop.asked()) continue;
    end();
    return stoppedError("a worker's task");
  }
}

void WorkerProcess::end() {
  if (pid_ > 0) {
    ::kill(-pid_, SIGKILL);
    ::kill(pid_, SIGKILL);  // should it not have a group of its own yet
    for (pid_t which : {pid_, -pid_})
      while (::waitpid(which, nullptr, 0) > 0 || errno == EINTR) {
      }
  }
  pid_ = -1;
  to_ = Descriptor(), from_ = Descriptor(), death_ = Descriptor(), printed_ = Descriptor();
}

}  // namespace quern
