"""Of which script a letter is, and which ASCII letter it looks like. As far as the names of users need it.

The script is read off the letter's name in Python's own Unicode data: `CYRILLIC SMALL LETTER A`. That is not the
property `Script`, but agrees with it for the letters of living scripts, and needs no table that would have to be kept
up. Look-alikes are those of Unicode's confusables.txt (UTS 39) between ASCII and the scripts in which whole words can
be written with them.
"""

import unicodedata
from functools import lru_cache
from typing import Final

LATIN: Final = "LATIN"
HAN: Final = "HAN"
# What names of letters begin with, where that is not their script.
_BEGINNINGS: Final = {
    "CJK": HAN,
    "KANGXI": HAN,
    "IDEOGRAPHIC": HAN,
    "KATAKANA-HIRAGANA": "KATAKANA",
    "HIRAGANA-KATAKANA": "KATAKANA",
    "ARABIC-INDIC": "ARABIC",
    "EXTENDED": "ARABIC",  # EXTENDED ARABIC-INDIC DIGIT ONE
    "MODIFIER": "",
    "COMBINING": "",
}
# Scripts of today in which nothing looks Latin, or no word does: names are written in them and in Latin, by words. With
# Latin, Cyrillic, Greek and Armenian they are those that UAX 31 recommends for identifiers.
_NAMED_BESIDE_LATIN: Final = (
    "ARABIC BENGALI DEVANAGARI ETHIOPIC GEORGIAN GUJARATI GURMUKHI HEBREW KANNADA KHMER LAO MALAYALAM MYANMAR ORIYA "
    "SINHALA TAMIL TELUGU THAANA THAI TIBETAN HAN HIRAGANA KATAKANA BOPOMOFO HANGUL"
)
_BESIDE_LATIN: Final = frozenset(_NAMED_BESIDE_LATIN.split())
# Those that few write in, and their names begin with that word; others nobody does any more.
_NAMED_OF_FEW: Final = (
    "ADLAM BALINESE BAMUM BATAK CANADIAN CHAKMA CHAM CHEROKEE HANIFI JAVANESE KAYAH LEPCHA LIMBU LISU MANDAIC MEETEI "
    "MIAO MONGOLIAN NEW NEWA NKO NYIAKENG OL OSAGE SAURASHTRA SUNDANESE SYLOTI SYRIAC TAI TIFINAGH VAI WANCHO YI"
)
_OF_FEW: Final = frozenset(_NAMED_OF_FEW.split())
# Scripts that may stand beside one another in a word: East Asia writes in several at once.
_TOGETHER: Final = (
    frozenset((LATIN, HAN, "HIRAGANA", "KATAKANA")),
    frozenset((LATIN, HAN, "BOPOMOFO")),
    frozenset((LATIN, HAN, "HANGUL")),
)
# A letter and what it is read as, by script. Those of Latin itself belong to phonetic alphabets, and are in no name.
_ALIKE: Final = {
    LATIN: "ɑa ɡg ɩi ɪi ʏy ʟl ɴn ʀr ʙb ɢg ʜh ᴀa ᴄc ᴅd ᴇe ᴊj ᴋk ᴍm ᴏo ᴘp ᴛt ᴜu ᴠv ᴡw ᴢz ꜱs",
    "CYRILLIC": "аa гr еe оo рp сc уy хx һh іi јj ѕs ѵv ԁd ԛq ԝw үy ӏl "
    "АA ВB ЕE КK МM НH ОO РP СC ТT УY ХX ІI ЈJ ЅS ѴV ԌG ԚQ ԜW ҮY ӀI",
    "GREEK": "αa γy ιi κk νv οo ρp υu χx ϳj ΑA ΒB ΕE ΖZ ΗH ΙI ΚK ΜM ΝN ΟO ΡP ΤT ΥY ΧX",
    "ARMENIAN": "աw գq զq հh ոn ռn սu ցg օo ՕO ՍU ԼL ՏS",
    "CHEROKEE": "ᎠD ᎡR ᎢT ᎩY ᎪA ᎫJ ᎬE ᎳW ᎷM ᎻH ᏀG ᏂH ᏃZ ᏎL ᏔW ᏙV ᏚS ᏞL ᏟC ᏢP ᏦK ᏒR ᏴB",
    "LISU": "ꓐB ꓑP ꓓD ꓔT ꓖG ꓗK ꓙJ ꓚC ꓜZ ꓝF ꓟM ꓠN ꓡL ꓢS ꓣR ꓦV ꓧH ꓪW ꓫX ꓬY ꓮA ꓰE ꓲI ꓳO ꓴU",
    "CANADIAN": "ᗅA ᗩA ᗷB ᑕC ᗞD ᗪD ᗴE ᕮE ᖴF ᘜG ᕼH ᒍJ ᒪL ᗰM ᑎN ᑭP ᑫq ᖇR ᔕS ᑌU ᐯV ᗯW ᙭X ᘔZ ᑲb ᒿ2",
}
LOOK_ALIKES: Final = {script: {pair[0]: pair[1:] for pair in pairs.split(" ")} for script, pairs in _ALIKE.items()}


@lru_cache(maxsize=4_096)
def script_of(letter: str) -> str:
    """Of one letter, or of what it is a variant of; "" for what goes with any."""
    beginning = unicodedata.name(plain_of(letter)[:1], "").partition(" ")[0]
    if beginning == "DIGIT":
        return "" if letter.isascii() else LATIN
    return _BEGINNINGS.get(beginning, beginning)


def is_written(script: str) -> bool:
    """By people of today?"""
    return script == LATIN or script in _BESIDE_LATIN or script in _OF_FEW or script in LOOK_ALIKES


def are_a_word(scripts: set[str]) -> bool:
    """Do people write a word so? In a script by itself, or in what East Asia mixes."""
    return len(scripts) <= 1 or any(scripts <= those for those in _TOGETHER)


def go_together(scripts: set[str]) -> bool:
    """Do people write a name so, of several words? As a word, or in Latin and one in which nothing looks Latin."""
    return are_a_word(scripts) or (len(scripts) == 2 and LATIN in scripts and scripts - {LATIN} <= _BESIDE_LATIN)


def read_as(letter: str) -> str | None:
    """The ASCII that a letter or digit which is none is read as; None where it looks like none."""
    if letter.isascii():
        return None
    plain = plain_of(letter)
    return plain if plain.isascii() else LOOK_ALIKES.get(script_of(letter), {}).get(plain)


def plain_of(letter: str) -> str:
    """What it is a variant of, such as a full-width or a circled one; else itself."""
    return unicodedata.normalize("NFKC", letter)
