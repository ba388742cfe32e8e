// tools/quern/Json.cpp — see Json.h.
#include "tools/quern/Json.h"

namespace quern {

std::string jsonText(const Json& value) { return value.dump(2, ' ', false, Json::error_handler_t::replace) + "\n"; }

}  // namespace quern
