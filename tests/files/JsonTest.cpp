// tests/files/JsonTest.cpp — Json.h: what a wish matches, what is kept, what is refused.
#include "models/files/Json.h"

#include <catch2/catch.hpp>

#include <string>
#include <vector>

namespace quern {

namespace {

/// "place=value" of everything that `paths` match, in order.
std::vector<std::string> picked(const std::string& text, const std::vector<std::string>& paths) {
  std::vector<std::string> got;
  std::vector<JsonPick> picks;
  for (const std::string& path : paths)
    picks.push_back(
        {path, [&](const JsonPlace& place, JsonValue&& value) -> Result<void> {
           const auto* word = value.as<std::string>();
           auto number = value.integer();
           got.push_back(place.text() + "=" + (word != nullptr ? *word : number ? std::to_string(*number) : std::string(value.kind())));
           return {};
         }});
  auto good = pickJson({text, "t.json"}, picks);
  INFO((good ? "" : good.error().message));
  REQUIRE(good);
  return got;
}

std::string refusal(const std::string& text) {
  auto tree = parseJson({text, "t.json"});
  REQUIRE(!tree);
  CHECK(tree.error().code == ErrorCode::BadInput);
  return tree.error().message;
}

}  // namespace

TEST_CASE("json: wishes get what their paths match, in the order of the text") {
  std::string text = R"({"version": "1", "added_tokens": [{"id": 0, "content": "<s>"}, {"id": 1, "content": "x"}],
    "model": {"type": "BPE", "vocab": {"a": 0, "b.c": 1, "": 2}, "merges": ["a b", ["c", "d"]], "deep": {"vocab": {"no": 9}}},
    "normalizer": null})";
  CHECK(picked(text, {"model.vocab.*"}) == std::vector<std::string>{"model.vocab.a=0", "model.vocab.b.c=1", "model.vocab.=2"});
  CHECK(picked(text, {"model.merges.*", "added_tokens.*", "normalizer"}) ==
        std::vector<std::string>{"added_tokens.0=an object", "added_tokens.1=an object", "model.merges.0=a b", "model.merges.1=an array",
                                 "normalizer=null"});
  CHECK(picked(text, {"added_tokens.1.content"}) == std::vector<std::string>{"added_tokens.1.content=x"});
  CHECK(picked(text, {"added_tokens.*.id"}) == std::vector<std::string>{"added_tokens.0.id=0", "added_tokens.1.id=1"});
  CHECK(picked(text, {"vocab.*", "model.vocab.*.x", "nothing"}).empty());
  CHECK(picked("17", {""}) == std::vector<std::string>{"=17"});
}

TEST_CASE("json: a named key is no other wish's star, and the shorter wish gets the value") {
  std::string text = R"({"a": {"x": 1}, "b": {"x": 2}, "c": 3})";
  CHECK(picked(text, {"*", "b"}) == std::vector<std::string>{"a=an object", "b=an object", "c=3"});
  CHECK(picked(text, {"*.x", "b.y"}) == std::vector<std::string>{"a.x=1"});
  CHECK(picked(text, {"*.x", "*"}) == std::vector<std::string>{"a=an object", "b=an object", "c=3"});
}

TEST_CASE("json: places tell the index in arrays and the byte") {
  std::vector<int64_t> indices, bytes;
  JsonPick pick{"*.*", [&](const JsonPlace& place, JsonValue&&) -> Result<void> {
                  indices.push_back(place.index);
                  bytes.push_back(place.byte);
                  return {};
                }};
  REQUIRE(pickJson({R"({"a":["x","y"],"b":{"c":"z"}})", "t.json", 100}, std::span<const JsonPick>(&pick, 1)));
  CHECK(indices == std::vector<int64_t>{0, 1, -1});
  CHECK(bytes == std::vector<int64_t>{109, 113, 127});
}

TEST_CASE("json: an error of a wish ends the reading and is the answer") {
  int calls = 0;
  JsonPick pick{"*", [&](const JsonPlace& place, JsonValue&&) -> Result<void> {
                  ++calls;
                  if (place.key() == "b") return badInput("b is not wanted");
                  return {};
                }};
  auto good = pickJson({R"({"a":1,"b":2,"c":3})", "t.json"}, std::span<const JsonPick>(&pick, 1));
  REQUIRE(!good);
  CHECK(good.error().message == "b is not wanted");
  CHECK(calls == 2);
  pick.mostParts = 3;
  CHECK(!pickJson({R"({"a":[1,2,3]})", "t.json"}, std::span<const JsonPick>(&pick, 1)));
  CHECK(pickJson({R"({"a":[1,2]})", "t.json"}, std::span<const JsonPick>(&pick, 1)));
}

TEST_CASE("json: trees keep kinds, order and text") {
  auto tree = parseJson({R"({"z": [true, null, -5, 18446744073709551615, 1.5, 2.0, "caf\u00e9 \ud83d\ude00"], "a": {}})", "t.json"});
  REQUIRE(tree);
  const auto* object = tree->as<JsonObject>();
  REQUIRE(object != nullptr);
  CHECK((*object)[0].first == "z");
  CHECK((*object)[1].first == "a");
  const auto& z = *tree->find("z")->as<JsonArray>();
  REQUIRE(z.size() == 7);
  CHECK(*z[0].as<bool>());
  CHECK(z[1].as<std::nullptr_t>() != nullptr);
  CHECK(z[2].integer() == -5);
  CHECK(z[3].integer() == std::nullopt);
  CHECK(*z[3].as<uint64_t>() == UINT64_MAX);
  CHECK(z[3].number() == 18446744073709551616.0);
  CHECK(z[4].integer() == std::nullopt);
  CHECK(z[4].number() == 1.5);
  CHECK(z[5].as<double>() != nullptr);
  CHECK(*z[6].as<std::string>() == "caf\xc3\xa9 \xf0\x9f\x98\x80");
  CHECK(tree->find("a")->as<JsonObject>()->empty());
  CHECK(tree->find("b") == nullptr);
}

TEST_CASE("json: 64 levels are read, 65 are not") {
  CHECK(parseJson({std::string(64, '[') + std::string(64, ']'), "t.json"}));
  CHECK(refusal(std::string(65, '[') + std::string(65, ']')) == "t.json: byte 65: more than 64 objects and arrays inside each other");
}

TEST_CASE("json: what is wrong is said with file, byte and what would be right") {
  CHECK(refusal("") == "t.json: byte 0: syntax error while parsing value - unexpected end of input; expected '[', '{', or a literal");
  CHECK(refusal("{\"a\" 1}") == "t.json: byte 5: syntax error while parsing object separator - unexpected number literal; expected ':'");
  CHECK(refusal("[1,]") == "t.json: byte 3: syntax error while parsing value - unexpected ']'; expected '[', '{', or a literal");
  CHECK(refusal("[1] x") == "t.json: byte 4: syntax error while parsing value - invalid literal; expected end of input");
  CHECK(refusal("{\"a\":1,\"b\":{},\"a\":2}") == "t.json: byte 17: key 'a' is given twice");
  CHECK(refusal("{\"x\\\"\":1,\"x\\\"\":2}") == "t.json: byte 14: key 'x\\\"' is given twice");
  CHECK(refusal("[\"\x01\"]") ==
        "t.json: byte 2: syntax error while parsing value - invalid string: control character U+0001 (SOH) must be escaped to \\u0001");
  CHECK(refusal(std::string("[1]\0", 4)) == "t.json: byte 3: a zero byte, which JSON does not have");
  CHECK(refusal("[-1e400]") == "t.json: byte 6: a number beyond the range of double");
  CHECK(refusal(fmt::format("{:1025}[{:1048576}", "", "")) == "t.json: has 1049602 bytes of JSON, at most 1048576 are read");
}

TEST_CASE("json: typed fields, absent, null, of another kind, out of range") {
  auto tree = parseJson({R"({"n": 12, "big": 18446744073709551615, "f": 1.5, "s": "x", "t": true, "none": null, "o": {}})", "config.json"});
  REQUIRE(tree);
  JsonFields fields("config.json", *tree);
  CHECK(*fields.integer("n", 0, 12) == 12);
  CHECK(*fields.integer("absent", 0, 12) == std::nullopt);
  CHECK(*fields.integer("none", 0, 12) == std::nullopt);
  CHECK(!fields.has("none"));
  CHECK(fields.has("o"));
  CHECK(*fields.number("n") == 12.0);
  CHECK(*fields.number("f") == 1.5);
  CHECK(**fields.string("s") == "x");
  CHECK(*fields.boolean("t") == true);
  CHECK(fields.integer("n", 0, 11).error().message == "config.json: 'n' is 12, whole numbers from 0 to 11 are legal");
  CHECK(fields.integer("big", 0, 11).error().message == "config.json: 'big' is 18446744073709551615, whole numbers from 0 to 11 are legal");
  CHECK(fields.integer("f", 0, 11).error().message == "config.json: 'f' is 1.5, whole numbers from 0 to 11 are legal");
  CHECK(fields.integer("s", 0, 11).error().message == "config.json: 's' is a string, an integer is needed");
  CHECK(fields.number("t").error().message == "config.json: 't' is a bool, a number is needed");
  CHECK(fields.string("o").error().message == "config.json: 'o' is an object, a string is needed");
  CHECK(fields.boolean("n").error().message == "config.json: 'n' is an integer, true or false is needed");
}

}  // namespace quern
