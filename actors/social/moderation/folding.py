"""A text as rules see it: letters that look alike are one, and what nobody sees is gone.

Rules and texts are folded alike, so it matters only that what is read alike comes to the same. Every step is one pass
over the text.
"""

import re
import unicodedata
from typing import Final

from greenroom.actors.social.profile.scripts import LOOK_ALIKES

# Letters that names may not be made to look like ASCII with, as small ones, and others with which words are bent.
# Not all of Unicode's table, in which `rn` is `m`, and honest words become bad ones.
_BENT: Final = "бb пn βb εe ηn νv τt υu ωw եe քq ıi łl øo đd ħh ŧt ƅb ɓb ɗd ƙk"
_ALIKE: Final = str.maketrans(
    {letter.casefold(): seen.casefold() for pairs in LOOK_ALIKES.values() for letter, seen in pairs.items()}
    | {pair[0]: pair[1] for pair in _BENT.split()}
)
_DIGITS: Final = str.maketrans("0134578", "oieastb")  # in words with letters alone: `fr33`, and never `1043`
_WORD: Final = re.compile(r"[^\W_]+")
_ACCENT: Final = 200  # combining classes from there on stand above and below a letter; others are part of one
SPELLED_MIN: Final = 3  # single letters in a row that are read as a word: `s p a m`


def folded(text: str) -> str:
    if text.isascii():
        return text.lower()
    spread = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold())
    seen = (one for one in spread if unicodedata.combining(one) < _ACCENT and unicodedata.category(one) != "Cf")
    return "".join(seen).translate(_ALIKE)


def words_of(text: str) -> list[str]:
    """The words of what is folded already, in order; letters that were spelled one by one are a word, too."""
    made: list[str] = []
    spelled: list[str] = []
    for found in _WORD.findall(text):
        word = found if found.isdigit() else found.translate(_DIGITS)
        if len(word) == 1:
            spelled.append(word)
            continue
        made += _joined(spelled)
        spelled = []
        made.append(word)
    return made + _joined(spelled)


def _joined(spelled: list[str]) -> list[str]:
    return ["".join(spelled)] if len(spelled) >= SPELLED_MIN else spelled
