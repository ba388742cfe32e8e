// compiler/base/Result.h — expected failures as values. Bugs are QUERN_CHECK (Check.h).
#pragma once

#include <string>
#include <utility>
#include <variant>

namespace quern {

/// What kind of failure an Error is; tools turn it into the exit status of the same number.
enum class ErrorCode {
  BadCommand = 2,  ///< the command, or an op, schedule or CPU text on it
  BadInput = 3,    ///< a file or array: the message names file, field, value and limit
  Machine = 4,     ///< the machine refused or lacks something
  Infeasible = 5,  ///< a schedule that this op or target cannot have: a normal answer while searching
  Internal = 70,   ///< our bug
};

/// One failure. Messages are lower-case, without full stop: subject, values, what would be right.
struct [[nodiscard]] Error {
  ErrorCode code = ErrorCode::Internal;
  std::string message;
};

inline Error badCommand(std::string message) { return {ErrorCode::BadCommand, std::move(message)}; }
inline Error badInput(std::string message) { return {ErrorCode::BadInput, std::move(message)}; }
inline Error machineLacks(std::string message) { return {ErrorCode::Machine, std::move(message)}; }
inline Error infeasible(std::string message) { return {ErrorCode::Infeasible, std::move(message)}; }
inline Error internalError(std::string message) { return {ErrorCode::Internal, std::move(message)}; }

/// A T or an Error, shaped like std::expected (which GCC 12 lacks).
template <class T>
class [[nodiscard]] Result {
public:
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}

  explicit operator bool() const { return state_.index() == 0; }
  T& operator*() & { return std::get<0>(state_); }
  const T& operator*() const& { return std::get<0>(state_); }
  T&& operator*() && { return std::get<0>(std::move(state_)); }
  T* operator->() { return &std::get<0>(state_); }
  const T* operator->() const { return &std::get<0>(state_); }
  const Error& error() const { return std::get<1>(state_); }

private:
  std::variant<T, Error> state_;
};

template <>
class [[nodiscard]] Result<void> {
public:
  Result() = default;
  Result(Error error) : error_(std::move(error)), failed_(true) {}

  explicit operator bool() const { return !failed_; }
  const Error& error() const { return error_; }

private:
  Error error_;
  bool failed_ = false;
};

}  // namespace quern
