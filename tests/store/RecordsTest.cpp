// tests/store/RecordsTest.cpp — tuning records: what is torn, damaged or no measurement is skipped, and what follows is not lost.
#include "compiler/base/Files.h"
#include "compiler/store/TuningDb.h"
#include "tests/store/StoreSupport.h"

#include <ctime>
#include <fmt/format.h>
#include <fstream>
#include <sys/stat.h>
#include <thread>

using namespace quern;

namespace {

constexpr const char* kDate = "2026-01-01T00:00:00Z";

struct Records {
  Folder folder;
  OpDesc desc = op("add a=*x8 b=8");
  Target target = hostTarget();
  std::string file = folder.path + "/records.txt";

  TuningRecord tuned(const std::string& schedule) const {
    return {TuningRecord::Kind::Tuned, text(desc), tuningCpu(target), schedule, 1.5, 10, 3, "measure", kDate};
  }
  void add(const TuningRecord& record) const {
    auto db = TuningDb::open({folder.path});
    REQUIRE(db.add(record));
  }
  void raw(const std::string& bytes) const {
    std::ofstream(file, std::ios::app | std::ios::binary) << bytes;
    ::chmod(file.c_str(), 0600);
  }
  /// The schedule that runs after a fresh start; "" for none.
  std::string chosen() const {
    auto choice = TuningDb::open({folder.path}).choose(desc, target);
    return choice ? choice->schedule : "";
  }
};

}  // namespace

TEST_CASE("a record begins on a line of its own, whatever the file ended with") {
  for (const char* torn : {"tuned matmul m=1 n=1", "tuned op=\"add a=*x8 b=8\" cpu=\"x", "\xff\xfe", "tuned"}) {
    Records records;
    records.add(records.tuned("lanes=4"));
    records.raw(torn);
    Warnings said;
    records.add(records.tuned("lanes=8"));
    CHECK(records.chosen() == "lanes=8");
    CHECK(said.count() == 2);  // each start says it once
  }
}

TEST_CASE("a whole last line without its newline counts, and the next one follows it") {
  Records records;
  records.raw(text(records.tuned("lanes=4")));
  CHECK(records.chosen() == "lanes=4");
  records.add({TuningRecord::Kind::Pinned, text(records.desc), tuningCpu(records.target), "lanes=8", 1, 0, 0, "-", kDate});
  CHECK(records.chosen() == "lanes=8");
  records.add({TuningRecord::Kind::Unpinned, text(records.desc), tuningCpu(records.target), "", 1, 0, 0, "-", kDate});
  CHECK(records.chosen() == "lanes=4");
}

TEST_CASE("every byte of a record flipped or cut: it is not used, and the one before it is") {
  Records records;
  records.add(records.tuned("lanes=4"));
  std::string before = *readFile(records.file);
  records.add(records.tuned("lanes=8"));
  std::string after = *readFile(records.file), line = after.substr(before.size());
  Warnings said;
  for (size_t i = 0; i < line.size(); ++i)
    for (int bit : {0, 3, 7}) {
      std::string damaged = line;
      damaged[i] = static_cast<char>(damaged[i] ^ (1 << bit));
      if (damaged == line.substr(0, line.size() - 1) + "\n") continue;
      REQUIRE(writeFileAtomically(records.file, before + damaged));
      ::chmod(records.file.c_str(), 0600);
      INFO(damaged);
      std::string got = records.chosen();
      // The newline at the end is no part of the record.
      CHECK((got == "lanes=4" || (i + 1 == line.size() && got == "lanes=8")));
    }
}

TEST_CASE("numbers that no measurement gives are skipped, counted and said once") {
  Records records;
  records.add(records.tuned("lanes=4"));
  std::string good = text(records.tuned("lanes=8"));
  int bad = 0;
  for (const char* value : {"ratio=0", "ratio=-1", "ratio=nan", "ratio=inf", "ratio=-inf", "ratio=x", "ratio=1e999"}) {
    std::string line = good;
    line.replace(line.find("ratio=1.5"), 9, value);
    records.raw(line + "\n"), ++bad;
  }
  for (const char* value : {"median_ns=0", "median_ns=-5", "median_ns=NaN", "candidates=-1", "candidates=1.5"}) {
    std::string line = good, key(value, std::string_view(value).find('='));
    size_t at = line.find(" " + key + "=") + 1;
    line.replace(at, line.find(' ', at) - at, value);
    records.raw(line + "\n"), ++bad;
  }
  for (const char* value : {"date=2026-01-01", "date=now", "rows=-1 date=2026-01-01T00:00:00Z", "date=2026-01-01T00:00:00Z x=1"}) {
    std::string line = good.substr(0, good.find("date=")) + value;
    records.raw(line + "\n"), ++bad;
  }
  std::string control = good;
  control.replace(control.find("effort=measure"), 14, "effort=\x1b[31m");
  records.raw(control + "\n"), ++bad;
  Warnings said;
  CHECK(records.chosen() == "lanes=4");
  INFO(said.text());
  CHECK(said.count() == 1);
  CHECK(said.text().find(fmt::format("{} of {} records are not used", bad, bad + 1)) != std::string::npos);
  CHECK(said.text().find('\x1b') == std::string::npos);
}

TEST_CASE("names with quotes and control characters keep a record in its line") {
  Records records;
  records.target.model = "evil\nname \"quoted\" \x1b[0m";
  records.add(records.tuned("lanes=4"));
  std::string bytes = *readFile(records.file);
  CHECK(std::count(bytes.begin(), bytes.end(), '\n') == 1);
  CHECK(records.chosen() == "lanes=4");
}

TEST_CASE("what was tuned here is listed, each op once") {
  Records records;
  TuningRecord other = records.tuned("lanes=4"), few = other, elsewhere = other;
  other.op = "map expr=\"a * 2\" a=3";
  few.op = "relu x=3", few.most.rows = 4;
  elsewhere.op = "relu x=4", elsewhere.cpu = "x86-64-v3 on another";
  for (const TuningRecord& record : {records.tuned("lanes=4"), few, other, elsewhere, records.tuned("lanes=8")}) records.add(record);
  records.add({TuningRecord::Kind::Pinned, "relu x=5", tuningCpu(records.target), "lanes=8", 1, 0, 0, "-", kDate});
  records.raw("tuned op=\"relu x=6\" torn");
  auto listed = TuningDb::open({records.folder.path}).tunedOps(records.target);
  CHECK(listed == std::vector<std::string>{text(records.desc), "map expr='a * 2' a=3"});
}

TEST_CASE("the first directory has the last word; a folder of others has none") {
  Records one, two;
  one.add(one.tuned("lanes=4"));
  two.add(two.tuned("lanes=8"));
  CHECK(TuningDb::open({one.folder.path, two.folder.path}).choose(one.desc, one.target)->schedule == "lanes=4");
  REQUIRE(::chmod(one.folder.path.c_str(), 0777) == 0);
  auto db = TuningDb::open({one.folder.path, two.folder.path});
  CHECK(db.choose(one.desc, one.target)->schedule == "lanes=8");
  CHECK_FALSE(db.add(one.tuned("lanes=8")));
}

TEST_CASE("writers of one file do not tear each other's lines") {
  Records records;
  std::vector<std::thread> writers;
  for (int i = 0; i < 8; ++i)
    writers.emplace_back([&, i] {
      auto db = TuningDb::open({records.folder.path});
      for (int k = 0; k < 5; ++k) (void)db.add(records.tuned(fmt::format("lanes={}", i * 5 + k)));
    });
  for (std::thread& writer : writers) writer.join();
  auto folder = TrustedFolder::open(records.folder.path);
  auto file = RecordLines::open(**folder);
  CHECK((*file)->health().good == 40);
  CHECK((*file)->health().bad == 0);
}

TEST_CASE("a million records cost little at the start") {
  Records records;
  int64_t count = deepTest() ? 1'000'000 : 100'000;
  std::string all;
  for (int64_t i = 0; i < count; ++i) {
    TuningRecord record = records.tuned("mr=8 nr=48 mc=64 kc=512 nc=768 lanes=16 unroll_k=4 pack=b");
    record.op = fmt::format("matmul m={} n=768 k=768 const=b ep=bias+gelu_tanh", i);
    all += text(record) + "\n";
  }
  records.raw(all + *withChecksum(text(records.tuned("lanes=8"))) + "\n");
  std::clock_t start = std::clock();
  CHECK(records.chosen() == "lanes=8");
  double seconds = static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC;
  INFO(seconds << " s of this processor's time");
  CHECK(seconds < 0.9e-6 * static_cast<double>(count));  // three times what it takes on a quiet machine; parsing them all takes ten
}
