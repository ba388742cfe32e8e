// tests/model/WeightsTest.cpp — weights that are cut into several: each part has its own rows, shape and bytes.
#include "models/Weights.h"

#include <array>
#include <catch2/catch.hpp>

using namespace quern;

namespace {

using Parts = std::vector<std::pair<std::string, int64_t>>;

void checkPart(Weights& weights, const std::string& name, const std::vector<int64_t>& shape, const float* first) {
  INFO(name);
  auto part = weights.take(name, shape);
  REQUIRE(part);
  CHECK((*part)->data == reinterpret_cast<const std::byte*>(first));
  CHECK((*part)->bytes == *tensorBytes(TensorType::F32, shape));
}

}  // namespace

TEST_CASE("a weight that is cut is its parts, each with its own rows, and no longer itself") {
  std::vector<float> values(24), bias(3);
  Weights weights("m");
  weights.add("whole.weight", {6, 4}, values);
  weights.add("whole.bias", {3}, bias);
  uint64_t before = weights.sampleSum();
  REQUIRE(weights.split("whole.weight", Parts{{"one", 1}, {"two", 2}, {"three", 3}}));
  REQUIRE(weights.split("whole.bias", Parts{{"first", 1}, {"others", 2}}));
  CHECK((!weights.has("whole.weight") && !weights.has("whole.bias") && weights.elements() == 27 && weights.sampleSum() != before));
  checkPart(weights, "one", {4}, values.data());  // of a stack: without its extent
  checkPart(weights, "two", {2, 4}, values.data() + 4);
  checkPart(weights, "three", {3, 4}, values.data() + 12);
  checkPart(weights, "first", {1}, bias.data());
  checkPart(weights, "others", {2}, bias.data() + 1);
  CHECK(weights.checkAllUsed());
  CHECK(weights.split("two", Parts{{"a", 1}, {"b", 2}}).error().message ==
        "m: tensor 'whole.weight' is [2, 4], a first extent of 3 is needed");
  CHECK(weights.split("none", Parts{{"a", 1}}).error().message == "m: tensor 'none' is missing");
}
