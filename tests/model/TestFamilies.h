// tests/model/TestFamilies.h — one small random model of each architecture, with every feature of it at work: windows exceeded, caps
// reached, numbers far from 1.
#pragma once

#include "tests/model/TestModel.h"

#include <functional>

namespace quern {

/// A part of a model that can be taken out of its description.
struct TestFeature {
  const char* name;
  std::function<void(TestModel&)> off;
};

struct TestFamily {
  const char* name;
  TestModel model;
  HfOptions hf;
  std::vector<TestFeature> features;
};

std::vector<TestFamily> testFamilies();

}  // namespace quern
