// compiler/loops/build/LoopBuilder.h — how op builders write loop programs: values with operators, statements as calls.
#pragma once

#include "compiler/loops/ir/Value.h"

#include <functional>
#include <initializer_list>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

namespace quern {

using Index = std::initializer_list<Value>;

/// A register array in a builder's hands.
struct RegArray {
  int id = -1;
  LoopType type;
};

/// A buffer in a builder's hands: load and store through it.
struct BufferRef {
  int id = -1;
  Scalar element = Scalar::F32;
  /// Elements in blocks of q8_0, as bytes: the buffer's last two dimensions are the block and the byte in it (Halves.h reads them).
  bool blocks = false;
};

/// Builds one LoopProgram. Names asked for are made unique.
class LoopBuilder {
public:
  LoopBuilder(std::string name, Contract contract);

  /// A run-time dimension (QuernArgs.dims) or a stride parameter (QuernArgs.strides).
  Value dim(const std::string& name);
  Value strideParam(const std::string& name);
  BufferRef buffer(std::string name, Scalar element, BufferRole role, std::vector<Value> shape, std::vector<Value> strides);
  /// Dense row-major.
  BufferRef denseBuffer(std::string name, Scalar element, BufferRole role, std::vector<Value> shape);

  void phase(const Value& tasks, const std::function<void(Value task)>& body);
  void loop(const std::string& name, const Value& begin, const Value& end, const Value& step, const std::function<void(Value)>& body);
  void unroll(const std::string& name, int64_t count, const std::function<void(Value)>& body);
  /// Where the nodes may stand that take small numbers for 0.
  void flushed(const std::function<void()>& body);
  void when(const Value& condition, const std::function<void()>& body, const std::function<void()>& otherwise = {});
  Value let(const std::string& name, const Value& value);
  RegArray reg(const std::string& name, std::vector<int> dims, const Value& initial);
  Value get(const RegArray& reg, std::span<const Value> index) const;
  Value get(const RegArray& reg, Index index) const { return get(reg, std::span(index.begin(), index.size())); }
  void set(const RegArray& reg, Index index, const Value& value);
  Value load(const BufferRef& buffer, std::span<const Value> index, int lanes, const Value* mask = nullptr) const;
  Value load(const BufferRef& buffer, Index index, int lanes = 1, const Value* mask = nullptr) const {
    return load(buffer, std::span(index.begin(), index.size()), lanes, mask);
  }
  /// `lanes` of what `stored` says, from the element of the buffer (of bytes; of two bytes for i32) that the last index names.
  Value loadAs(Scalar stored, const BufferRef& buffer, std::span<const Value> index, int lanes) const;
  void store(const BufferRef& buffer, std::span<const Value> index, const Value& value, const Value* mask = nullptr);
  void store(const BufferRef& buffer, Index index, const Value& value, const Value* mask = nullptr) {
    store(buffer, std::span(index.begin(), index.size()), value, mask);
  }
  /// A store of a whole vector past the caches.
  void stream(const BufferRef& buffer, std::span<const Value> index, const Value& value);
  /// Elements from there to the next 64 bytes' beginning.
  Value toLine(const BufferRef& buffer, std::span<const Value> index) const;
  void prefetch(const BufferRef& buffer, std::span<const Value> index);
  /// Where tiles 0, 1, ... of these shapes are there, 0 at first.
  void tiles(std::vector<TileShape> shapes, const std::function<void()>& body);
  void tileZero(int tile);
  /// Rows along the last dimension but one, the first word at `index`.
  void tileLoad(int tile, const BufferRef& buffer, std::span<const Value> index);
  void tileStore(const BufferRef& buffer, std::span<const Value> index, int tile);
  /// sums += a b.
  void tileDot(TileDot kind, int sums, int a, int b);
  /// No nearer than L2.
  void prefetchL2(const BufferRef& buffer, std::span<const Value> index);

  LoopProgram take() { return std::move(program_); }

private:
  LoopStmt& add(LoopStmt::Kind kind, std::vector<int> tiles);
  int newVar(const std::string& name, LoopType type);
  std::string uniqueName(const std::string& name);
  std::vector<LoopStmt> collect(const std::function<void()>& body);

  LoopProgram program_;
  std::vector<LoopStmt>* block_ = nullptr;
  std::unordered_map<std::string, int> names_;  ///< taken, and the last number tried behind each
};

}  // namespace quern
