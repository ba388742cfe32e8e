// compiler/loops/ir/LoopInterpreter.cpp — see LoopInterpreter.h.
#include "compiler/loops/ir/LoopInterpreter.h"

#include "compiler/loops/ir/FlushedFma.h"
#include "compiler/loops/ir/HalfSums.h"
#include "compiler/loops/ir/Lanes.h"
#include "compiler/loops/ir/TileRegisters.h"

#include "compiler/base/Check.h"
#include "compiler/base/Checked.h"
#include "compiler/base/Half.h"
#include "compiler/base/Text.h"
#include "compiler/loops/ir/LoopPrinter.h"

#include <cmath>
#include <cstring>
#include <fmt/format.h>
#include <limits>
#include <optional>

namespace quern {

namespace {

template <class Float>
Float arithmetic(LoopOp op, Float a, Float b) {
  switch (op) {
    case LoopOp::Add: return a + b;
    case LoopOp::Sub: return a - b;
    case LoopOp::Mul: return a * b;
    case LoopOp::Div: return a / b;
    case LoopOp::Max: return a != a ? a : a > b ? a : b;
    case LoopOp::Min: return a != a ? a : a < b ? a : b;
    default: QUERN_CHECK_FOR(false, std::string(nameOf(op))); return a;
  }
}

bool compare(LoopOp op, auto a, auto b) {
  return op == LoopOp::Lt ? a < b : op == LoopOp::Le ? a <= b : op == LoopOp::Eq ? a == b : a != b;
}

uint32_t integer32(LoopOp op, uint32_t a, uint32_t b) {
  auto x = static_cast<int32_t>(a), y = static_cast<int32_t>(b);
  switch (op) {
    case LoopOp::Add: return a + b;
    case LoopOp::Sub: return a - b;
    case LoopOp::Mul: return a * b;
    case LoopOp::Max: return x > y ? a : b;
    case LoopOp::Min: return x < y ? a : b;
    case LoopOp::And: return a & b;
    case LoopOp::Or: return a | b;
    case LoopOp::Xor: return a ^ b;
    case LoopOp::Shl: return a << (b & 31);
    case LoopOp::Ashr: return static_cast<uint32_t>(x >> (b & 31));
    case LoopOp::Lshr: return a >> (b & 31);
    default: QUERN_CHECK_FOR(false, std::string(nameOf(op))); return a;
  }
}

class Interpreter {
public:
  Interpreter(const LoopProgram& program, const LoopArgs& args, int64_t steps)
      : program_(program), vars_(program.vars.size()), regs_(program.regs.size()), steps_(steps) {
    QUERN_CHECK_FOR(args.dims.size() == program.dims.size() && args.strides.size() == program.strideParams.size(), program.name);
    for (size_t i = 0; i < args.dims.size(); ++i) vars_[static_cast<size_t>(program.dims[i])].setIndex(args.dims[i]);
    for (size_t i = 0; i < args.strides.size(); ++i) vars_[static_cast<size_t>(program.strideParams[i])].setIndex(args.strides[i]);
    size_t given = 0;
    for (const LoopBuffer& buffer : program.buffers) memory_.push_back(bind(buffer, args, given));
    for (size_t i = 0; i < program.regs.size(); ++i) {
      size_t count = 1;
      for (int dim : program.regs[i].dims) count *= static_cast<size_t>(dim);
      regs_[i].resize(count);
    }
  }

  Result<void> run() {
    for (const LoopPhase& phase : program_.phases) {
      int64_t tasks = index(phase.tasks);
      for (int64_t task = 0; task < tasks && goesOn(); ++task) {
        vars_[static_cast<size_t>(phase.taskVar)].setIndex(task);
        block(phase.body);
      }
    }
    if (!failed_.empty()) return badInput(fmt::format("loop program '{}': {}", escapedShort(program_.name), failed_));
    return {};
  }

private:
  struct Memory {
    std::byte* data = nullptr;
    int bytesEach = 4;
    std::vector<int64_t> shape, strides;
    int64_t elements = std::numeric_limits<int64_t>::max();
  };

  bool goesOn() { return failed_.empty() && steps_-- > 0; }
  void fail(std::string why) {
    if (failed_.empty()) failed_ = std::move(why);
  }

  Memory bind(const LoopBuffer& buffer, const LoopArgs& args, size_t& given) {
    Memory memory;
    memory.bytesEach = bytesOf(buffer.element);
    std::optional<int64_t> elements = 1;
    for (size_t i = 0; i < buffer.shape.size(); ++i) {
      memory.shape.push_back(index(buffer.shape[i]));
      memory.strides.push_back(index(buffer.strides[i]));
      elements = elements && memory.shape.back() >= 0 ? checkedMul(*elements, memory.shape.back()) : std::nullopt;
    }
    if (!buffer.isScratch()) {
      QUERN_CHECK_FOR(given < args.buffers.size(), program_.name);
      if (given < args.elements.size()) memory.elements = args.elements[given];
      memory.data = static_cast<std::byte*>(args.buffers[given++]);
      return memory;
    }
    if (!elements || *elements > kMaxScratchElements) {
      fail(fmt::format("scratch {} has more than {} elements", buffer.name, kMaxScratchElements));
      elements = 0;
    }
    memory.elements = *elements;
    scratch_.emplace_back(static_cast<size_t>(*elements), std::bit_cast<uint32_t>(std::numeric_limits<float>::quiet_NaN()));
    memory.data = reinterpret_cast<std::byte*>(scratch_.back().data());
    return memory;
  }

  int64_t index(const LoopExprRef& e) {
    Lanes out;
    eval(*e, out);
    return out.index();
  }

  /// Address of an access of `lanes` consecutive elements of which those in `mask` (all, if null) are touched, `down` rows further along
  /// the last dimension but one.
  std::byte* address(int id, const std::vector<LoopExprRef>& args, size_t from, int lanes, const Lanes* mask, int64_t down = 0) {
    const Memory& memory = memory_[static_cast<size_t>(id)];
    size_t rank = memory.shape.size();
    int touched = lanes;
    if (mask != nullptr)
      while (touched > 0 && mask->bits[touched - 1] == 0) --touched;
    int64_t offset = 0;
    bool inside = true;
    std::string where;
    for (size_t i = 0; i < rank; ++i) {
      int64_t at = index(args[from + i]), more = i + 1 == rank ? touched - 1 : i + 2 == rank ? down : 0;
      inside = inside && (touched == 0 || (at >= 0 && at < memory.shape[i] - more));
      auto step = checkedMul(inside && i + 2 == rank ? at + down : at, memory.strides[i]);
      auto next = step ? checkedAdd(offset, *step) : std::nullopt;
      inside = inside && (touched == 0 || next.has_value());
      offset = next.value_or(0);
      if (!inside) where += fmt::format("{}{}", where.empty() ? "" : ", ", at);
    }
    if (touched == 0) return nullptr;
    if (inside && (offset < 0 || offset > memory.elements - touched))
      fail(fmt::format("the strides of {} lead to element {} of {}", program_.buffers[static_cast<size_t>(id)].name, offset,
                       memory.elements));
    else if (inside) return memory.data + offset * memory.bytesEach;
    fail(fmt::format("{} lanes at [{}] are outside {}[{}]", touched, where, program_.buffers[static_cast<size_t>(id)].name,
                     fmt::join(memory.shape, ", ")));
    return nullptr;
  }

  /// Modulo 2^64, as addresses are: nothing is read there.
  int64_t toLine(const LoopExpr& e) {
    constexpr uint64_t kLine = 64;
    const Memory& memory = memory_[static_cast<size_t>(e.id)];
    auto each = static_cast<uint64_t>(memory.bytesEach), at = reinterpret_cast<uint64_t>(memory.data);
    for (size_t i = 0; i < e.args.size(); ++i)
      at += static_cast<uint64_t>(index(e.args[i])) * static_cast<uint64_t>(memory.strides[i]) * each;
    return static_cast<int64_t>((-at & (kLine - 1)) / each);
  }

  Lanes& element(int id, const std::vector<LoopExprRef>& args, size_t from) {
    const LoopReg& reg = program_.regs[static_cast<size_t>(id)];
    size_t flat = 0;
    for (size_t i = 0; i < reg.dims.size(); ++i) {
      int64_t at = index(args[from + i]);
      QUERN_CHECK_FOR(at >= 0 && at < reg.dims[i], program_.name);
      flat = flat * static_cast<size_t>(reg.dims[i]) + static_cast<size_t>(at);
    }
    return regs_[static_cast<size_t>(id)][flat];
  }

  void eval(const LoopExpr& e, Lanes& out) {
    int lanes = e.type.lanes;
    switch (e.kind) {
      case LoopExpr::Kind::Const:
        for (int i = 0; i < lanes; ++i)
          out.bits[i] = e.type.scalar == Scalar::F32   ? asBits(e.number)
                        : e.type.scalar == Scalar::I64 ? static_cast<uint64_t>(e.integer)
                                                       : static_cast<uint32_t>(e.integer);
        return;
      case LoopExpr::Kind::Var: out = vars_[static_cast<size_t>(e.id)]; return;
      case LoopExpr::Kind::RegGet: out = element(e.id, e.args, 0); return;
      case LoopExpr::Kind::Load: return load(e, out);
      case LoopExpr::Kind::ToLine: return out.setIndex(toLine(e));
      case LoopExpr::Kind::Op: break;
    }
    --steps_;
    Lanes a, b, c;
    eval(*e.args[0], a);
    if (e.args.size() > 1) eval(*e.args[1], b);
    if (e.args.size() > 2) eval(*e.args[2], c);
    operation(e, a, b, c, out);
  }

  void load(const LoopExpr& e, Lanes& out) {
    Lanes mask;
    if (e.masked) eval(*e.args.back(), mask);
    int each = bytesOf(e.stored), elements = e.type.lanes * each / memory_[static_cast<size_t>(e.id)].bytesEach;
    const std::byte* from = address(e.id, e.args, 0, elements, e.masked ? &mask : nullptr);
    for (int i = 0; i < e.type.lanes; ++i) {
      uint64_t bits = 0;
      if (from != nullptr && (!e.masked || mask.bits[i] != 0)) std::memcpy(&bits, from + i * each, static_cast<size_t>(each));
      out.bits[i] = e.type.scalar == Scalar::I32 ? static_cast<uint32_t>(wholeOf(e.stored, bits)) : bits;
    }
  }

  void operation(const LoopExpr& e, const Lanes& a, const Lanes& b, const Lanes& c, Lanes& out) {
    LoopType from = e.args[0]->type;
    int lanes = e.type.lanes;
    auto each = [&](auto&& bits) {
      for (int i = 0; i < lanes; ++i) out.bits[i] = bits(i);
    };
    switch (e.op) {
      case LoopOp::Neg: return each([&](int i) { return a.bits[i] ^ signOf(from.scalar); });
      case LoopOp::Abs: return each([&](int i) { return a.bits[i] & ~signOf(from.scalar); });
      case LoopOp::Sqrt:
        return each([&](int i) {
          return from.scalar == Scalar::F64 ? asBits(std::sqrt(asDouble(a.bits[i]))) : asBits(std::sqrt(asFloat(a.bits[i])));
        });
      case LoopOp::ToF32: return each([&](int i) { return asBits(floatOf(from.scalar, a.bits[i])); });
      case LoopOp::ToF64: return each([&](int i) { return asBits(doubleOf(from.scalar, a.bits[i])); });
      case LoopOp::ToI32: return each([&](int i) { return uint64_t{static_cast<uint32_t>(wholeOf(from.scalar, a.bits[i]))}; });
      case LoopOp::ToI64: return each([&](int i) { return static_cast<uint64_t>(int64_t{wholeOf(from.scalar, a.bits[i])}); });
      case LoopOp::TruncI32:
        return each([&](int i) { return uint64_t{static_cast<uint32_t>(truncated<int32_t>(doubleOf(from.scalar, a.bits[i])))}; });
      case LoopOp::TruncI64:
        return each([&](int i) { return static_cast<uint64_t>(truncated<int64_t>(doubleOf(from.scalar, a.bits[i]))); });
      case LoopOp::BitsF32:
      case LoopOp::BitsI32: return each([&](int i) { return a.bits[i]; });
      case LoopOp::HalfF32: return each([&](int i) { return asBits(floatOfHalf(static_cast<uint16_t>(a.bits[i]))); });
      case LoopOp::F32Half: return each([&](int i) { return uint64_t{halfOfFloat(asFloat(a.bits[i]))}; });
      case LoopOp::Fma:
        return each([&](int i) {
          return from.scalar == Scalar::F64 ? asBits(std::fma(asDouble(a.bits[i]), asDouble(b.bits[i]), asDouble(c.bits[i])))
                                            : asBits(std::fmaf(asFloat(a.bits[i]), asFloat(b.bits[i]), asFloat(c.bits[i])));
        });
      case LoopOp::BytesU8:
      case LoopOp::BytesI8: return each([&](int i) { return (a.bits[i / 4] >> (8 * (i % 4))) & 0xff; });
      case LoopOp::BytesU7: return each([&](int i) { return (a.bits[i / 4] >> (8 * (i % 4))) & 0x7f; });
      case LoopOp::BytesS7:
        return each([&](int i) {
          uint64_t byte = (a.bits[i / 4] >> (8 * (i % 4))) & 0xff;
          if (byte == 0x80) fail("bytes_s7 of -128");
          return byte;
        });
      case LoopOp::FmaFlushed:
        return each([&](int i) { return asBits(flushedFma(asFloat(a.bits[i]), asFloat(b.bits[i]), asFloat(c.bits[i]))); });
      case LoopOp::AddFlushed: return each([&](int i) { return asBits(flushedFma(asFloat(a.bits[i]), 1, asFloat(b.bits[i]))); });
      case LoopOp::DotPairs:
        return each([&](int i) {
          auto low = [](uint64_t pair) { return asFloat((pair & 0xffff) << 16); };
          auto high = [](uint64_t pair) { return asFloat(pair & 0xffff0000); };
          float odd = flushedFma(high(b.bits[i]), high(c.bits[i]), asFloat(a.bits[i]));
          return asBits(flushedFma(low(b.bits[i]), low(c.bits[i]), odd));
        });
      case LoopOp::Dot4:
        return each([&](int i) {
          auto sum = static_cast<uint32_t>(a.bits[i]);
          for (int j = 4 * i; j < 4 * i + 4; ++j)
            sum += static_cast<uint32_t>(wholeOf(e.args[1]->type.scalar, b.bits[j]) * wholeOf(Scalar::I8, c.bits[j]));
          return uint64_t{sum};
        });
      case LoopOp::ShortDots: return each([&](int i) { return uint64_t{shortDots(&a.bits[4 * i], &b.bits[4 * i])}; });
      case LoopOp::AddHalves: return each([&](int i) { return uint64_t{addHalves(word(a, i), word(b, i))}; });
      case LoopOp::SumHalves: return each([&](int i) { return uint64_t{sumHalves(word(a, i), word(b, i))}; });
      case LoopOp::Select: return each([&](int i) { return a.bits[i] != 0 ? b.bits[i] : c.bits[i]; });
      case LoopOp::Broadcast: return each([&](int) { return a.bits[0]; });
      case LoopOp::Mask: return each([&](int i) { return uint64_t{i < a.index()}; });
      case LoopOp::ReduceAdd: return fold(LoopOp::Add, from.lanes, a, out);
      case LoopOp::ReduceMax: return fold(LoopOp::Max, from.lanes, a, out);
      case LoopOp::ReduceMin: return fold(LoopOp::Min, from.lanes, a, out);
      case LoopOp::Shuffle:
        return each([&](int i) {
          int lane = e.pattern[static_cast<size_t>(i)];
          return lane < from.lanes ? a.bits[lane] : b.bits[lane - from.lanes];
        });
      case LoopOp::Lookup: return each([&](int i) { return asBits(e.table[a.bits[i] % e.table.size()]); });
      case LoopOp::LookupBytes: return each([&](int i) { return uint64_t{bytesLookedUp(word(a, i), e.table)}; });
      default: return binary(e, from, a, b, out);
    }
  }

  static uint32_t word(const Lanes& from, int lane) { return static_cast<uint32_t>(from.bits[lane]); }
  static uint64_t signOf(Scalar scalar) { return scalar == Scalar::F64 ? uint64_t{1} << 63 : uint64_t{1} << 31; }
  static float floatOf(Scalar from, uint64_t bits) {
    switch (from) {
      case Scalar::F64: return static_cast<float>(asDouble(bits));
      case Scalar::I64: return static_cast<float>(static_cast<int64_t>(bits));
      case Scalar::BF16: return asFloat(bits << 16);
      default: return static_cast<float>(wholeOf(from, bits));
    }
  }

  static double doubleOf(Scalar from, uint64_t bits) {
    if (from == Scalar::F64) return asDouble(bits);
    if (from == Scalar::I64) return static_cast<double>(static_cast<int64_t>(bits));
    return from == Scalar::F32 ? static_cast<double>(asFloat(bits)) : static_cast<double>(wholeOf(from, bits));
  }

  static void fold(LoopOp op, int lanes, Lanes folded, Lanes& out) {
    for (int half = lanes / 2; half >= 1; half /= 2)
      for (int i = 0; i < half; ++i) folded.bits[i] = asBits(arithmetic(op, asFloat(folded.bits[i]), asFloat(folded.bits[i + half])));
    out.bits[0] = folded.bits[0];
  }

  void binary(const LoopExpr& e, LoopType from, const Lanes& a, const Lanes& b, Lanes& out) {
    bool comparison = e.op >= LoopOp::Lt && e.op <= LoopOp::Ne;
    for (int i = 0; i < from.lanes; ++i) {
      if (from.scalar == Scalar::I64) {
        auto x = static_cast<int64_t>(a.bits[i]), y = static_cast<int64_t>(b.bits[i]);
        out.bits[i] = comparison ? uint64_t{compare(e.op, x, y)} : static_cast<uint64_t>(indexArithmetic(e.op, x, y));
      } else if (from.scalar == Scalar::F32) {
        float x = asFloat(a.bits[i]), y = asFloat(b.bits[i]);
        out.bits[i] = comparison ? compare(e.op, x, y) : asBits(arithmetic(e.op, x, y));
      } else if (from.scalar == Scalar::F64) {
        double x = asDouble(a.bits[i]), y = asDouble(b.bits[i]);
        out.bits[i] = comparison ? compare(e.op, x, y) : asBits(arithmetic(e.op, x, y));
      } else {
        out.bits[i] = comparison ? compare(e.op, static_cast<int32_t>(a.bits[i]), static_cast<int32_t>(b.bits[i]))
                                 : integer32(e.op, static_cast<uint32_t>(a.bits[i]), static_cast<uint32_t>(b.bits[i]));
      }
    }
  }

  int64_t indexArithmetic(LoopOp op, int64_t a, int64_t b) {
    bool divides = op == LoopOp::Div || op == LoopOp::Rem;
    if (divides && b == 0) return fail("an index is divided by zero"), 0;
    // As the machine does: without signs, modulo 2^64.
    auto x = static_cast<uint64_t>(a), y = static_cast<uint64_t>(b);
    switch (op) {
      case LoopOp::Add: return static_cast<int64_t>(x + y);
      case LoopOp::Sub: return static_cast<int64_t>(x - y);
      case LoopOp::Mul: return static_cast<int64_t>(x * y);
      case LoopOp::Div: return static_cast<int64_t>(x / y);
      case LoopOp::Rem: return static_cast<int64_t>(x % y);
      case LoopOp::Max: return std::max(a, b);
      case LoopOp::Min: return std::min(a, b);
      case LoopOp::And: return a & b;
      case LoopOp::Or: return a | b;
      case LoopOp::Xor: return a ^ b;
      case LoopOp::Shl: return static_cast<int64_t>(x << y);
      case LoopOp::Lshr: return static_cast<int64_t>(x >> y);
      case LoopOp::Ashr: return a >> b;
      default: QUERN_CHECK_FOR(false, std::string(nameOf(op))); return a;
    }
  }

  void block(const std::vector<LoopStmt>& stmts) {
    for (const LoopStmt& stmt : stmts) {
      if (!goesOn()) return;
      statement(stmt);
    }
  }

  void statement(const LoopStmt& s) {
    Lanes value;
    switch (s.kind) {
      case LoopStmt::Kind::For: {
        int64_t end = index(s.args[1]), step = std::max<int64_t>(1, index(s.args[2]));
        for (std::optional<int64_t> i = index(s.args[0]); i && *i < end && goesOn(); i = checkedAdd(*i, step)) {
          vars_[static_cast<size_t>(s.id)].setIndex(*i);
          block(s.body);
        }
        return;
      }
      case LoopStmt::Kind::Let:
        eval(*s.args[0], value);
        vars_[static_cast<size_t>(s.id)] = value;
        return;
      case LoopStmt::Kind::Store: {
        Lanes mask;
        eval(*s.args[0], value);
        if (s.masked) eval(*s.args.back(), mask);
        int lanes = s.args[0]->type.lanes;
        std::byte* to = address(s.id, s.args, 1, lanes, s.masked ? &mask : nullptr);
        int each = memory_[static_cast<size_t>(s.id)].bytesEach;
        for (int i = 0; to != nullptr && i < lanes; ++i)
          if (!s.masked || mask.bits[i] != 0) std::memcpy(to + i * each, &value.bits[i], static_cast<size_t>(each));
        return;
      }
      case LoopStmt::Kind::Reg:
        eval(*s.args[0], value);
        for (Lanes& each : regs_[static_cast<size_t>(s.id)]) each = value;
        return;
      case LoopStmt::Kind::Set:
        eval(*s.args[0], value);
        element(s.id, s.args, 1) = value;
        return;
      case LoopStmt::Kind::If:
        eval(*s.args[0], value);
        block(value.bits[0] != 0 ? s.body : s.otherwise);
        return;
      case LoopStmt::Kind::Flushed: return block(s.body);
      case LoopStmt::Kind::Prefetch: return;
      case LoopStmt::Kind::Tiles: tiles_.configure(s.shapes); return block(s.body);
      case LoopStmt::Kind::TileZero: return tiles_.zero(s.tiles[0]);
      case LoopStmt::Kind::TileLoad:
      case LoopStmt::Kind::TileStore: return moveTile(s);
      case LoopStmt::Kind::TileDot:
        steps_ -= TileShape::kMostRows * TileShape::kMostWords;
        return tiles_.dot(s.dot, s.tiles[0], s.tiles[1], s.tiles[2]);
    }
  }
  void moveTile(const LoopStmt& s) {
    TileShape shape = tiles_.shape(s.tiles[0]);
    for (int r = 0; r < shape.rows; ++r) {
      std::byte* at = address(s.id, s.args, 0, shape.words, nullptr, r);
      std::byte* row = tiles_.row(s.tiles[0], r);
      if (at == nullptr) return;
      bool load = s.kind == LoopStmt::Kind::TileLoad;
      std::memcpy(load ? row : at, load ? at : row, sizeof(uint32_t) * static_cast<size_t>(shape.words));
    }
  }

  const LoopProgram& program_;
  std::vector<Lanes> vars_;
  std::vector<std::vector<Lanes>> regs_;
  TileRegisters tiles_;
  std::vector<Memory> memory_;
  std::vector<std::vector<uint32_t>> scratch_;
  std::string failed_;
  int64_t steps_;
};

}  // namespace

Result<void> interpret(const LoopProgram& program, const LoopArgs& args) {
  return Interpreter(program, args, std::numeric_limits<int64_t>::max()).run();
}

Result<void> interpretSome(const LoopProgram& program, const LoopArgs& args, int64_t steps) {
  return Interpreter(program, args, steps).run();
}

}  // namespace quern
