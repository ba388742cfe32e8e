// tools/quern/cli/Progress.cpp — see Progress.h.
#include "tools/quern/cli/Progress.h"

#include "compiler/base/Clock.h"

#include <algorithm>
#include <cstdio>
#include <fmt/format.h>

namespace quern {

ProgressBar::ProgressBar(bool wanted, std::string label, std::string (*amount)(double))
    : wanted_(wanted), label_(std::move(label)), amount_(amount), started_(nowSeconds()) {}

ProgressBar::~ProgressBar() { clear(); }

void ProgressBar::clear() {
  if (visible_) std::fprintf(stderr, "\r\033[K");
  visible_ = false;
}

void ProgressBar::show(double done, double total) {
  constexpr double kPatience = 0.5, kEvery = 0.1;
  constexpr int kWidth = 30;
  double now = nowSeconds();
  if (!wanted_ || total <= 0 || now - started_ < kPatience || now - shown_ < kEvery) return;
  shown_ = now;
  visible_ = true;
  double share = std::clamp(done / total, 0.0, 1.0);
  std::string left = share > 0 ? fmt::format(", {:.0f} s left", (now - started_) * (1 - share) / share) : "";
  std::string bar(kWidth, '.');
  std::fill_n(bar.begin(), static_cast<int>(kWidth * share), '#');
  std::fprintf(stderr, "\r\033[K%s [%s] %s of %s%s", label_.c_str(), bar.c_str(), amount_(done).c_str(), amount_(total).c_str(),
               left.c_str());
}

}  // namespace quern
