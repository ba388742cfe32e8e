// compiler/schedule/PackLayout.cpp — see PackLayout.h.
#include "compiler/schedule/PackLayout.h"

#include <fmt/format.h>

namespace quern {

std::string text(const PackLayout& layout) {
  return fmt::format("type={} panel={} depth={} columns={} batch={} transposed={}{}", text(layout.type), layout.panel, layout.depth,
                     layout.columns, layout.batch, layout.transposed ? 1 : 0, layout.words ? " words=1" : "");
}

PackLayout takePackLayout(KeyReader& reader) {
  constexpr int64_t kMax = int64_t{1} << 40;
  std::span<const std::string_view> types = elementTypeNames();
  PackLayout layout;
  layout.type = static_cast<ElementType>(reader.takeChoice("type", {types.begin(), types.end()}));
  layout.panel = reader.takeInt("panel", 0, 0, 4096);
  layout.depth = reader.takeInt("depth", 0, 0, kMax);
  layout.columns = reader.takeInt("columns", 0, 0, kMax);
  layout.batch = reader.takeInt("batch", 1, 0, kMax);
  layout.transposed = reader.takeFlag("transposed");
  layout.words = reader.takeFlag("words");
  return layout;
}

Result<PackLayout> parsePackLayout(std::string_view given) {
  auto keys = parseKeyValues(given, "layout", false);
  if (!keys) return badInput(keys.error().message);
  KeyReader reader(*keys, "layout");
  PackLayout layout = takePackLayout(reader);
  if (auto good = reader.finish(); !good) return badInput(good.error().message);
  return layout;
}

}  // namespace quern
