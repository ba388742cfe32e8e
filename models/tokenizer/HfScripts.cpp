// models/tokenizer/HfScripts.cpp — UnicodeScripts of a tokenizer.json as a pattern. See HfStages.h.
#include "models/tokenizer/HfStages.h"

#include "compiler/base/Text.h"

#include <fmt/format.h>

namespace quern {

/// Scripts by their codes in ISO 15924, but for Common, Han, Hiragana and Katakana.
static constexpr std::string_view kScripts =
    "Latn Grek Cyrl Armn Hebr Arab Syrc Thaa Deva Beng Guru Gujr Orya Taml Telu Knda Mlym Sinh Thai Laoo Tibt Mymr Geor Hang Ethi Cher "
    "Cans Ogam Runr Khmr Mong Bopo Yiii Ital Goth Dsrt Zinh Tglg Hano Buhd Tagb Limb Tale Linb Ugar Shaw Osma Cprt Brai Bugi Copt Talu "
    "Glag Tfng Sylo Xpeo Khar Bali Xsux Phnx Phag Nkoo Sund Lepc Olck Vaii Saur Kali Rjng Lyci Cari Lydi Cham Lana Tavt Avst Egyp Samr "
    "Lisu Bamu Java Mtei Armi Sarb Prti Phli Orkh Kthi Batk Brah Mand Cakm Merc Mero Plrd Shrd Sora Takr Bass Aghb Dupl Elba Gran Khoj "
    "Sind Lina Mahj Mani Mend Modi Mroo Nbat Narb Perm Hmng Palm Pauc Phlp Sidd Tirh Wara Ahom Hluw Hatr Mult Hung Sgnw Adlm Bhks Marc "
    "Newa Osge Tang Gonm Nshu Soyo Zanb Dogr Gong Rohg Maka Medf Sogo Sogd Elym Nand Hmnp Wcho Chrs Diak Kits Yezi";

std::string scriptPattern() {
  // U+30FC belongs to Japanese; a blank, and what is no character yet, to what is before it.
  std::string out = R"([\p{sc:Hani}\p{sc:Hira}\p{sc:Kana}\x{30fc}][\p{sc:Hani}\p{sc:Hira}\p{sc:Kana}\x{30fc}\p{Cn} ]*+|)"
                    R"([^\P{sc:Zyyy}\x{30fc} ](?:[^\P{sc:Zyyy}\x{30fc}]|\p{Cn})*+)";
  for (const std::string& script : split(kScripts, ' ')) out += fmt::format(R"(|\p{{sc:{0}}}[\p{{sc:{0}}}\p{{Cn}} ]*+)", script);
  return out;
}

}  // namespace quern
