// tests/fuzz/FuzzToml.cpp — any bytes as a TOML file of ours: refused with its place, or what it says can be used. Built by run.
#include "compiler/op/OpFile.h"
#include "compiler/target/HostTarget.h"
#include "tests/fuzz/FuzzSupport.h"
#include "tools/recorded/ModelSizes.h"
#include "tools/report/RecordFile.h"
#include "tuner/SearchSpace.h"

using namespace quern;

namespace {

const std::string kFile = "x.toml";

/// Every refusal names file, line and column.
void checkPlaced(const Error& error) {
  checkMessage(error);
  QUERN_CHECK_FOR(error.message.starts_with(kFile + ":") && error.message.size() > kFile.size() + 1, error.message);
  char next = error.message[kFile.size() + 1];
  QUERN_CHECK_FOR(next >= '0' && next <= '9', error.message);
}

template <class T>
bool good(const Result<T>& result) {
  if (!result) checkPlaced(result.error());
  return static_cast<bool>(result);
}

const Target& anyTarget() {
  static const Target target = *parseTarget("x level=x86-64-v3");
  return target;
}

/// An op that was accepted says the same of itself when it is read again, and has a schedule.
void useOps(const TomlValue& root) {
  auto file = parseOpFile(root, kFile);
  if (!good(file)) return;
  for (const OpEntry& entry : file->entries) {
    auto again = parseOp(text(entry.op));
    QUERN_CHECK_FOR(again && text(*again) == text(entry.op), text(entry.op));
    QUERN_CHECK_FOR(static_cast<bool>(validate(defaultSchedule(entry.op, anyTarget()), entry.op, anyTarget())), text(entry.op));
    if (auto schedule = parseSchedule(entry.schedule, entry.op, anyTarget()); !schedule)
      QUERN_CHECK_FOR(schedule.error().code == ErrorCode::BadCommand, schedule.error().message);
  }
}

/// Whatever a space holds, its candidates are legal, and finding them ends.
void useSpace(const TomlValue& root) {
  auto space = parseSearchSpace(root, kFile);
  if (!good(space)) return;
  for (const char* given :
       {"matmul m=34 n=100 k=70", "add a=40 b=40", "softmax x=9x40", "transpose x=30x40", "attention heads=2 head_dim=16 q=8 kv=8"}) {
    OpDesc op = *parseOp(given);
    constexpr double kSeconds = 0.2;
    for (const Candidate& candidate : candidatesOf(*space, op, {}, anyTarget(), Stop().within(kSeconds)))
      QUERN_CHECK_FOR(static_cast<bool>(validate(candidate.schedule, op, anyTarget())), text(candidate.schedule));
    (void)neighboursOf(*space, defaultSchedule(op, anyTarget()), op, {}, anyTarget(), {}, Stop().within(kSeconds));
    (void)whyNoneIsLegal(*space, op, anyTarget());
    QUERN_CHECK(!sizeOf(*space, op).combinations.empty());
  }
}

/// Every op has a schedule on every CPU that can be described.
void useCpu(const TomlValue& root) {
  auto target = targetFromToml(root, kFile);
  if (!good(target)) return;
  auto again = parseToml(targetToml(*target), kFile);
  QUERN_CHECK_FOR(again && targetFromToml(*again, kFile), targetToml(*target));
  for (const char* given : {"matmul m=34 n=1000 k=70 const=b", "softmax x=9x40", "attention heads=2 head_dim=16 q=8 kv=8"}) {
    OpDesc op = *parseOp(given);
    QUERN_CHECK_FOR(static_cast<bool>(validate(defaultSchedule(op, *target), op, *target)), text(*target));
  }
}

void useRecord(const TomlValue& root) {
  auto record = parseRecordFile(root, kFile);
  if (!good(record)) return;
  auto again = parseToml(text(*record), kFile);
  QUERN_CHECK_FOR(again && parseRecordFile(*again, kFile), text(*record));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  auto root = parseToml({reinterpret_cast<const char*>(data) + 1, size - 1}, kFile);
  if (!good(root)) return 0;
  switch (data[0] % 5) {
    case 0: useOps(*root); break;
    case 1: useSpace(*root); break;
    case 2: useCpu(*root); break;
    case 3: good(modelConfigFromToml(*root, kFile)); break;
    default: useRecord(*root);
  }
  return 0;
}
