// compiler/base/OwnPath.h — where this code lies, in a program or in a shared library: modules and data are looked for beside it.
#pragma once

#include <string>
#include <vector>

namespace quern {

/// The file that this code was loaded from, links followed: the program's, or a shared library's. "" where the system does not say. Of a
/// program /proc is asked first, then what the kernel noted when it was started, since a sandbox may have no /proc.
std::string ownFile();

/// The folder that ownFile() lies in; "" where that is.
std::string ownFolder();

/// Folders in which modules of ours may lie: beside this code, and where an installation keeps them.
std::vector<std::string> moduleFolders();
/// Folders of our data, as an installation has them: under the prefix of this code (PREFIX/bin, PREFIX/lib, PREFIX/lib/TRIPLET), and where
/// this build is installed to.
std::vector<std::string> shareFolders();

}  // namespace quern
