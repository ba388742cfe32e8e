// tuner/measure/Noise.h — was the machine quiet while something was timed? If not, small differences say nothing.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace quern {

/// Nanoseconds of a fixed chain of dependent multiplications, the least of three: it changes with the clock's frequency and nothing else.
double frequencyProbeNs();

/// What was seen between two moments.
struct Noise {
  double coreShare = 1;  ///< of the wall time of timing, what the thread had of a core
  double steal = 0;      ///< of the machine's time, what the host gave to others
  double drift = 0;      ///< of the frequency probe: the highest over the lowest, less one; of the middle nine tenths
  double load = 0;       ///< processes that were ready, besides the one that is timed, a core

  bool noisy() const { return !why().empty(); }
  /// What is wrong with it, for people; empty: nothing.
  std::string why() const;
};

/// What /proc counts for the whole machine, at one moment.
struct MachineLoad {
  double jiffies = 0, stolen = 0;  ///< of all processors since the start; of these, those that the host gave to others
  double ready = 1;                ///< processes that run or could, the one that asks among them
  int cpus = 1;                    ///< that this process may use
};
/// `stat`, `loadavg`: what /proc/stat and /proc/loadavg hold. What they do not tell is taken for quiet.
MachineLoad parseMachineLoad(const std::string& stat, const std::string& loadavg, int cpus);
MachineLoad machineLoad();

/// Watches from its construction on. Judges what it is given; the arguments are for tests.
class NoiseWatch {
public:
  explicit NoiseWatch(const MachineLoad& began = machineLoad()) : began_(began) {}
  /// A turn of timing: its wall time and what of it the thread had a core, and the probe before it.
  void turn(double wallSeconds, double coreSeconds, double probeNs);
  Noise noise(const MachineLoad& now = machineLoad()) const;
  double wallSeconds() const { return wall_; }

private:
  MachineLoad began_;
  double wall_ = 0, core_ = 0;
  std::vector<double> probes_;
};

}  // namespace quern
