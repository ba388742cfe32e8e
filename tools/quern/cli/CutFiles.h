// tools/quern/cli/CutFiles.h — a mapped model file that somebody cuts short while it is read ends the program with a message.
#pragma once

namespace quern {

/// Takes SIGBUS for the whole process: in a mapped file it ends the program with status 3 and the file's name, elsewhere as ever.
void nameCutFiles();

}  // namespace quern
