// tests/model/FamilyParts.h — what the small models of TestFamilies.h are made of.
#pragma once

#include "tests/model/TestFamilies.h"

#include <initializer_list>

namespace quern {

/// Tensors added to a model, drawn.
class Drawn {
public:
  Drawn(TestModel& model, uint32_t seed) : model_(model), random_(seed) {}

  void around(const std::string& name, int64_t count, float middle, float spread) {
    model_.tensors[name] = drawnTensor(random_, {count}, double{middle}, double{spread}, 2048);
  }
  void gain(const std::string& name, int64_t count) { around(name, count, 1, 0.5); }
  void bias(const std::string& name, int64_t count) { around(name, count, 0, 0.25); }

private:
  TestModel& model_;
  std::mt19937 random_;
};

std::string blk(int64_t layer, const char* name);
ModelConfig baseConfig(RopePairs pairs, int64_t layers = 2);
/// Gains are multiples of 2^-10, from which 1 can be taken and given back.
TestModel base(const char* family, const ModelConfig& c, uint32_t seed);
void remove(TestModel& model, const char* stem);
/// Norms of heads: gains of `q` and `k` elements.
void normHeads(TestModel& model, int64_t q, int64_t k, uint32_t seed);
void normWhatIsAdded(TestModel& model, uint32_t seed);
/// The rows of several matrices, or the elements of several biases, one below the other.
void fuse(TestModel& model, const char* into, std::initializer_list<const char*> parts);
void biasAll(TestModel& model, std::initializer_list<const char*> stems, uint32_t seed);
void setWindow(ModelConfig& c, int64_t window, const std::function<bool(int64_t)>& windowed);
TestFeature withoutTensors(const char* name, std::initializer_list<const char*> stems);
TestFeature changed(const char* name, std::function<void(ModelConfig&)> change);
TestFeature withoutWindows();
TestFeature wholeHeadsTurned();

/// Experts in place of the feed-forward; the first is scored higher than the others. With the config's `sharedHidden` one beside them.
void mixExperts(TestModel& model, uint32_t seed);
/// Families whose feed-forward is a mixture of experts.
std::vector<TestFamily> mixtureFamilies();

}  // namespace quern
