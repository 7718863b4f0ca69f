// A value, or why there is none for this message.
#pragma once
#include <optional>
#include <utility>
#include <variant>

#include "engine/message/failure.hpp"

namespace weir::message {

/// What a computation on one message gives: its value, or the failure of that message. An expected outcome, never
/// thrown.
template <class T>
class [[nodiscard]] Outcome {
 public:
  Outcome(T value) : held_(std::in_place_index<0>, std::move(value)) {}
  Outcome(Failure failure) : held_(std::in_place_index<1>, std::move(failure)) {}
  explicit operator bool() const noexcept { return held_.index() == 0; }
  T& operator*() noexcept { return *std::get_if<0>(&held_); }
  const T& operator*() const noexcept { return *std::get_if<0>(&held_); }
  T* operator->() noexcept { return std::get_if<0>(&held_); }
  const T* operator->() const noexcept { return std::get_if<0>(&held_); }
  /// Only where there is no value.
  Failure& failure() noexcept { return *std::get_if<1>(&held_); }
  const Failure& failure() const noexcept { return *std::get_if<1>(&held_); }

 private:
  std::variant<T, Failure> held_;
};

/// Done, or why not.
using Done = std::optional<Failure>;

}  // namespace weir::message
