// tests/unit/TomlTest.cpp — text that loses a TOML parser: letters behind ASCII, brackets without end, keys of many parts.
#include "compiler/base/Toml.h"

#include <catch2/catch.hpp>

using namespace quern;

TEST_CASE("a letter behind ASCII is text in a string and an error in the open") {
  for (const char* letter : {"\xC3\xA9", "\xD2\x99", "\xE3\x82\xAB", "\xEF\xBB\xBD", "\xF0\x9F\x98\x80"}) {  // é ҙ カ U+FEFD, a face
    INFO(letter);
    auto string = parseToml("a = \"\"\"x \\\n  " + std::string(letter) + " \"\"\"\n", "t.toml");
    REQUIRE(string);
    CHECK(string->members.at(0).value.string == "x " + std::string(letter) + " ");
    for (const char* before : {"a = ", "a = [1, ", "a", "[", "a = 1 ", ""}) {
      auto open = parseToml(before + std::string(letter) + "\n", "t.toml");
      REQUIRE_FALSE(open);
      CHECK(open.error().message.starts_with("t.toml:1:"));
    }
  }
}

TEST_CASE("blanks that are not ASCII are refused by their place") {
  for (const char* blank : {"\xC2\xA0", "\xE1\x9A\x80", "\xE2\x80\x83", "\xE3\x80\x80"}) {
    auto open = parseToml("a =" + std::string(blank) + "1\n", "t.toml");
    REQUIRE_FALSE(open);
    CHECK(open.error().message.starts_with("t.toml:1:4"));
  }
}

TEST_CASE("text that nests without end is refused, not followed") {
  for (const std::string& text : {std::string(10000, '['), "a = " + std::string(10000, '['), [] {
                                    std::string key = "a";
                                    for (int i = 0; i < 10000; ++i) key += ".a";
                                    return key + " = 1";
                                  }()}) {
    CHECK_FALSE(parseToml(text, "t.toml"));
    CHECK_FALSE(parseToml(text + "\n", "t.toml"));
  }
}
