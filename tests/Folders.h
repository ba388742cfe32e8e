// tests/Folders.h — where tests find their own files, and the data beside the project.
#pragma once

#include <string>

namespace quern {

/// tests/NAME of the checkout.
std::string testsFile(const std::string& name);

/// NAME in the folder of test data: $QUERN_SHARED, else ../shared of the checkout. It need not be there.
std::string sharedFile(const std::string& name);

}  // namespace quern
