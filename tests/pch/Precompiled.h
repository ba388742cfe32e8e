// tests/pch/Precompiled.h — what most tests include, compiled once.
#include "tests/Support.h"
#include "tools/pch/Precompiled.h"

#include <catch2/catch.hpp>
