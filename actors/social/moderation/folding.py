"""A text as rules see it: letters that look alike are one, and what nobody sees is gone.

Rules and texts are folded alike, so it matters only that what is read alike comes to the same. Every step is one pass
over the text.
"""

import re
import unicodedata
from typing import Final

from greenroom.actors.social.profile.scripts import LOOK_ALIKES
from greenroom.actors.social.profile.unseen import BLANK, without_unseen

# Letters that names may not be made to look like ASCII with, as small ones, and others with which words are bent.
# Not all of Unicode's table, in which `rn` is `m`, and honest words become bad ones.
_BENT: Final = "бb пn βb εe ηn νv τt υu ωw եe քq ıi łl øo đd ħh ŧt ƅb ɓb ɗd ƙk"
_ALIKE: Final = {letter.casefold(): seen.casefold() for pairs in LOOK_ALIKES.values() for letter, seen in pairs.items()}
_ALIKE.update((pair[0], pair[1]) for pair in _BENT.split())
_DIGITS: Final = str.maketrans("0134578", "oieastb")  # in words with letters alone: `fr33`, and never `1043`
_WORD: Final = re.compile(r"[^\W_]+")
_ACCENT: Final = 200  # combining classes from there on stand above and below a letter; others are part of one
_OVERLAY: Final = 1  # the class of what strikes a letter through
SPELLED_MIN: Final = 3  # single letters in a row that are read as a word: `s p a m`


def folded(text: str, *, blank: str = "") -> str:
    """`blank` stands for what is a letter and looks like none."""
    text = without_unseen(text)
    if text.isascii():
        return text.lower()
    made: list[str] = []
    is_ascii = False  # the letter that a mark is on
    for one in unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold()):
        category = unicodedata.category(one)
        if one in BLANK:
            made.append(blank)
        elif category[0] == "M":
            above = unicodedata.combining(one)
            if not (is_ascii or above >= _ACCENT or above == _OVERLAY or category == "Me"):
                made.append(one)
        else:
            seen = _ALIKE.get(one, one)
            is_ascii = seen.isascii()
            made.append(seen)
    return "".join(made)


def readings(text: str) -> list[str]:
    """Folded, in each way that it may be read: what is blank is nothing to one, and parts words to another."""
    read = [folded(text)]
    if not BLANK.isdisjoint(text):
        read.append(folded(text, blank=" "))
    return read


def words_of(text: str) -> list[str]:
    """The words of what is folded already, in order; letters that were spelled one by one are a word, too."""
    return words_and_spelled(text)[0]


def words_and_spelled(text: str) -> tuple[list[str], list[str]]:
    """Its words, and those of them that were spelled: an `a` before one may be a word of its own."""
    made: list[str] = []
    spelled: list[str] = []
    letters: list[str] = []
    for found in _WORD.findall(text):
        if len(found) == 1:
            letters.append(found)
            continue
        if letters:
            _join(letters, made, spelled)
            letters = []
        made.append(_read(found))
    _join(letters, made, spelled)
    return made, spelled


def _join(letters: list[str], made: list[str], spelled: list[str]) -> None:
    if len(letters) >= SPELLED_MIN:
        word = _read("".join(letters))
        made.append(word)
        spelled.append(word)
    else:
        made += map(_read, letters)


def _read(word: str) -> str:
    return word if word.isdigit() else word.translate(_DIGITS)
