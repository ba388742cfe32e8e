// compiler/target/ControlGroups.h — the control groups that this process is in, where the system shows them.
#pragma once

#include <functional>
#include <string>
#include <string_view>

namespace quern {

/// Calls visit(folder, second) for every group with `controller` ("cpu", "memory") from this process's own up to the root, of versions 1
/// and 2 (`second`). A container's mount shows its own group as the root; what is above it is not to be seen. Without /proc the root of
/// version 2 at its usual place. `root`: what stands before /proc and /sys, for tests.
void eachControlGroup(const std::string& root, std::string_view controller,
                      const std::function<void(const std::string& folder, bool second)>& visit);

}  // namespace quern
