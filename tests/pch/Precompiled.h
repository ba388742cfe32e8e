// tests/pch/Precompiled.h — the foreign headers that most tests include, compiled once. None of ours: GCC tells a header it has already
// read from its text, and a compiler cache may bring the precompiled form of a text whose comments differ, which then is read twice.
#include "tools/pch/Precompiled.h"

#include <catch2/catch.hpp>
