"""What somebody may be called: a name that is read as what it is, by whoever sees it, in whatever script.

Taken as it was typed, in Unicode's form C. Refused is what can't be seen, and what can be taken for another: letters of
scripts that are not written together in a word, or in a name, letters of scripts of the past, and names of another
script all of whose letters look like ASCII. Bio: likewise, as far as it is a matter of what can be seen.
"""

import unicodedata
from itertools import chain
from typing import Final

from greenroom.actors.model.errors import Refused
from greenroom.actors.social.profile.scripts import (
    LATIN,
    are_a_word,
    go_together,
    is_written,
    plain_of,
    read_as,
    script_of,
)
from greenroom.actors.social.profile.unseen import is_unseen

MARKS_MAX = 4  # accents and their like on one letter; more make a tower
BIO_LINES_MAX = 20
_JOINERS: Final = frozenset("\u200c\u200d")
_EMOJI_STYLE: Final = "\ufe0f"
_BIDI: Final = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
# Scripts in which joiners change how letters look.
_JOINING: Final = frozenset(
    (
        "ARABIC",
        "BENGALI",
        "DEVANAGARI",
        "GUJARATI",
        "GURMUKHI",
        "KANNADA",
        "MALAYALAM",
        "ORIYA",
        "SINHALA",
        "TAMIL",
        "TELUGU",
    )
)


def clean_name(text: str) -> str:
    """As it is kept. Raises: Refused `profile.bad_name`, `profile.unknown_script`, `profile.mixed_scripts`,
    `profile.look_alike`."""
    spaced = "".join(" " if unicodedata.category(one) == "Zs" else one for one in text)
    name = unicodedata.normalize("NFC", " ".join(word for word in spaced.split(" ") if word))
    _refuse_unseen(name)
    words = _words(name)
    if not words:
        raise _bad("it needs a letter or a digit")
    _refuse_look_alikes(words)
    return name


def clean_bio(text: str) -> str:
    """As it is kept. Raises: Refused `profile.bad_bio`."""
    bio = unicodedata.normalize("NFC", text.replace("\r\n", "\n")).strip()
    for one in bio:
        if one in _BIDI or (one != "\n" and unicodedata.category(one) in ("Cc", "Cs")):
            raise Refused("profile.bad_bio", f"U+{ord(one):04X} can't be in it", status=422)
    if bio.count("\n") >= BIO_LINES_MAX:
        raise Refused("profile.bad_bio", f"it takes {BIO_LINES_MAX} lines", status=422)
    return bio


def _refuse_unseen(name: str) -> None:
    marks = 0
    for before, one, after in zip(" " + name, name, name[1:] + " ", strict=False):
        category = unicodedata.category(one)
        marks = marks + 1 if category[0] == "M" else 0
        if marks > MARKS_MAX:
            raise _bad("a letter takes so many accents only")
        if is_unseen(one) and not _joins(before, one, after):
            raise _bad(f"U+{ord(one):04X} is nothing that is seen")


def _joins(before: str, one: str, after: str) -> bool:
    """Is it one of those that can't be seen and yet matter: within an emoji, or between letters that it joins?"""
    if one == _EMOJI_STYLE:
        return unicodedata.category(before) == "So"
    if one not in _JOINERS:
        return False
    if before == _EMOJI_STYLE or unicodedata.category(before) in ("So", "Sk"):
        return unicodedata.category(after) == "So"
    return script_of(before) in _JOINING and script_of(after) in _JOINING


def _words(name: str) -> list[list[str]]:
    """The letters and digits of each."""
    words: list[list[str]] = [[]]
    for one in name:
        category = unicodedata.category(one)
        if category[0] in "LN" or plain_of(one).isalnum():
            words[-1].append(one)
        elif category[0] != "M":
            words.append([])
    return [word for word in words if word]


def _refuse_look_alikes(words: list[list[str]]) -> None:
    letters: list[str] = []
    for one in chain(*words):
        if script_of(one) == LATIN and read_as(one) is not None:
            raise _alike(f"{one} looks like {read_as(one)}: write that")
        if script_of(one) and not is_written(script_of(one)):
            raise Refused("profile.unknown_script", f"{one} is of a script in which nobody is called", status=422)
        if script_of(one):
            letters.append(one)
    scripts = set(map(script_of, letters))
    if not (go_together(scripts) and all(are_a_word({*map(script_of, word)} - {""}) for word in words)):
        raise Refused("profile.mixed_scripts", "its letters are of scripts that are not written together", status=422)
    if scripts and LATIN not in scripts:
        read = [seen for seen in map(read_as, letters) if seen is not None]
        if len(read) == len(letters):
            raise _alike(f"all of it can be read as {''.join(read)}: write more of it, such as another name of yours")


def _bad(detail: str) -> Refused:
    return Refused("profile.bad_name", detail, status=422)


def _alike(detail: str) -> Refused:
    return Refused("profile.look_alike", detail, status=422)
