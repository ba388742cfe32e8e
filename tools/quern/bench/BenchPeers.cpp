// tools/quern/bench/BenchPeers.cpp — see BenchPeers.h.
#include "tools/quern/bench/BenchPeers.h"

#include "compiler/base/Text.h"
#include "tools/quern/bench/PeerCall.h"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>
#include <limits>
#include <map>

namespace quern {

namespace {

/// Empty: the peer's result is ours, to rounding.
std::string resultDiffers(const float* ours, const float* theirs, size_t elements) {
  constexpr double kAllowed = 1e-3;  // of the largest value: rounding is far below it, another formula far above
  double largest = 0, worst = 0;
  for (size_t i = 0; i < elements; ++i) {
    bool same = ours[i] == theirs[i] || (std::isnan(ours[i]) && std::isnan(theirs[i]));
    if (std::isfinite(ours[i])) largest = std::max(largest, std::fabs(static_cast<double>(ours[i])));
    if (same) continue;
    double difference = std::fabs(static_cast<double>(ours[i]) - static_cast<double>(theirs[i]));
    worst = std::max(worst, std::isnan(difference) ? std::numeric_limits<double>::infinity() : difference);
  }
  return worst <= kAllowed * largest ? ""
                                     : fmt::format("wrong result: differs by {:.3g} where the largest value is {:.3g}", worst, largest);
}

/// One peer on one op: its result, then its time.
class PeerBench {
public:
  PeerBench(const Peer& peer, const PeerCall& call, size_t elements)
      : api_(*peer.api), call_(call), out_(elements * sizeof(float), Flush::Begin), elements_(elements) {
    if (const auto* matmul = std::get_if<QuernPeerMatmul>(&call.op)) prepare(*matmul);
    else prepare(std::get<QuernPeerVector>(call.op));
  }
  ~PeerBench() {
    if (handle_ != nullptr) api_.release(handle_);
  }
  PeerBench(const PeerBench&) = delete;
  PeerBench& operator=(const PeerBench&) = delete;

  bool prepared() const { return handle_ != nullptr; }
  /// The way taken, or why there is none.
  std::string way() const { return escaped(text_) + (prepared() && !fuses_ && call_.epilogue != nullptr ? ", no epilogue" : ""); }

  std::string check(const TimingOperands& operands, const TimedCall& ours) {
    const auto* matmul = std::get_if<QuernPeerMatmul>(&call_.op);
    if (matmul != nullptr && matmul->acc != 0) {  // C of the size of one product: after many calls it would hide the last
      auto count = static_cast<size_t>(matmul->batch * matmul->m * matmul->k);
      for (size_t i = 0; i < elements_; ++i) operands.result()[i] = matmul->a[i % count];
      std::copy_n(operands.result(), elements_, out_.f32());
    }
    ours();
    api_.run(handle_);
    if (!fuses_) applyEpilogue(call_, out_.f32(), elements_);
    return resultDiffers(operands.result(), out_.f32(), elements_);
  }

  void run() { api_.run(handle_); }

private:
  void prepare(QuernPeerMatmul op) {
    op.c = out_.f32();
    fuses_ = api_.fusesEpilogue != 0;
    if (!fuses_) op.activation = kQuernPeerNone, op.bias = op.residual = nullptr;
    handle_ = api_.prepare(&op, text_, sizeof text_);
  }
  void prepare(QuernPeerVector op) {
    op.out = out_.f32();
    if (api_.prepareVector != nullptr) handle_ = api_.prepareVector(&op, text_, sizeof text_);
    else fmt::format_to_n(text_, sizeof text_ - 1, "{} has matmul only", api_.name);
  }

  const QuernPeer& api_;
  const PeerCall& call_;
  GuardedArray out_;
  size_t elements_;
  bool fuses_ = true;
  char text_[256] = "";
  void* handle_ = nullptr;
};

}  // namespace

void benchAgainst(BenchRow& row, const std::vector<Peer>& peers, const OpDesc& op, TimingOperands& operands, const TimedCall& ours,
                  const AgainstSettings& settings) {
  PeerCall call = peerCallOf(op, operands.inputs(), settings.threads);
  if (call.wantsPositive) {
    const GuardedArray& x = operands.inputs().arrays[0];
    std::transform(x.f32(), x.f32() + x.bytes() / sizeof(float), x.f32(), [](float value) { return std::fabs(value); });
  }
  auto elements = static_cast<size_t>(outputOf(op).elements());
  for (const Peer& peer : peers) {
    if (settings.stop.asked()) return;
    PeerFigure& figure = row.peers.emplace_back();
    figure.peer = peer.name;
    figure.version = peer.version;
    figure.path = peer.path;
    figure.why = peer.api == nullptr ? peer.absent : call.cannot;
    if (peer.api == nullptr) figure.brief = "absent";
    if (!figure.why.empty()) continue;
    PeerBench bench(peer, call, elements);
    if (!bench.prepared()) {
      figure.why = bench.way();
      continue;
    }
    figure.way = bench.way();
    if (std::string wrong = bench.check(operands, ours); !wrong.empty()) {
      figure.why = wrong;
      figure.brief = "wrong result";
      continue;
    }
    PairTiming timing = timePair(ours, [&] { bench.run(); }, settings.seconds, 1e9, settings.settleSeconds, settings.stop, settings.speed);
    figure.ns = timing.b;
    figure.ratio = timing.ratio;
    figure.atSpeeds = timing.atSpeeds;
  }
}

/// The fastest peer of a row; null: none has a ratio.
static const PeerFigure* fastestOf(const BenchRow& row) {
  const PeerFigure* fastest = nullptr;
  for (const PeerFigure& figure : row.peers)
    if (figure.why.empty() && (fastest == nullptr || figure.ns.median < fastest->ns.median)) fastest = &figure;
  return fastest;
}

std::string againstFooter(const std::vector<BenchRow>& rows) {
  if (rows.empty() || rows.front().peers.empty()) return {};
  double logs = 0;
  int measured = 0;
  const BenchRow* least = nullptr;
  for (const BenchRow& row : rows) {
    const PeerFigure* fastest = fastestOf(row);
    if (fastest == nullptr) continue;
    logs += std::log(fastest->ratio.median);
    ++measured;
    if (least == nullptr || fastest->ratio.median < fastestOf(*least)->ratio.median) least = &row;
  }
  std::string out =
      "\nspeed vs a peer: its time over ours in this run, alternating (half the 95 % interval; its share of the same ceiling)\n";
  if (least != nullptr) {
    const PeerFigure* fastest = fastestOf(*least);
    out += fmt::format("against the fastest peer of each row: geometric mean {:.2f}x, minimum {:.2f}x ({}: {}), {} of {} rows\n",
                       std::exp(logs / measured), fastest->ratio.median, fastest->peer, least->op, measured, rows.size());
  }
  for (size_t p = 0; p < rows.front().peers.size(); ++p) {
    const PeerFigure& first = rows.front().peers[p];
    if (first.path.empty()) {
      out += fmt::format("{}: absent ({})\n", first.peer, first.why);
      continue;
    }
    std::map<std::pair<bool, std::string>, int> ways;  // reasons after ways: rows
    for (const BenchRow& row : rows) {
      const PeerFigure& figure = row.peers[p];
      ++ways[{!figure.why.empty(), figure.why.empty() ? figure.way : figure.brief == "-" ? "not measured: " + figure.why : figure.why}];
    }
    std::vector<std::string> parts;
    for (const auto& [way, count] : ways) parts.push_back(ways.size() > 1 ? fmt::format("{} x {}", count, way.second) : way.second);
    out += fmt::format("{} {}, {}: {}\n", first.peer, first.version, first.path, join(parts, "; "));
  }
  return out;
}

}  // namespace quern
