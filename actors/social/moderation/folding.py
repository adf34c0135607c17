"""A text as rules see it: letters that look alike are one, and what nobody sees is gone.

Rules and texts are folded alike, so it matters only that what is read alike comes to the same. Every step is one pass
over the text.
"""

import re
import unicodedata
from typing import Final

# Letters of other scripts that are read as one of ASCII: most of what is written to get past a list of words. Not all
# of Unicode's table, in which `rn` is `m`, and honest words become bad ones.
_ALIKE: Final = str.maketrans(
    {
        **dict(zip("абвгеіјкӏмнопрсԁтуѕхԍһԛԝ", "abbreijklmhonpcdtysxghqw", strict=True)),
        **dict(zip("αβγεηικνορτυχωϲϳ", "abyenikvoptuxwcj", strict=True)),
        **dict(zip("աօսոհցքե", "wouuhgqe", strict=True)),
        **dict(zip("ɑɡɩıłøđħŧƅɓɗƙ", "agiilodhtbbdk", strict=True)),
    }
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
