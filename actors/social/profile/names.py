"""What somebody may be called: a name that is read as what it is, by whoever sees it, in whatever script.

Taken as it was typed, in Unicode's form C. Refused is what can't be seen, and what can be taken for another: letters of
scripts that are not written together, and names of another script all of whose letters look like ASCII. Bio: likewise,
as far as it is a matter of what can be seen.
"""

import unicodedata
from typing import Final

from greenroom.actors.model.errors import Refused
from greenroom.actors.social.profile.scripts import LATIN, go_together, plain_of, read_as, script_of
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
    """As it is kept. Raises: Refused `profile.bad_name`, `profile.mixed_scripts`, `profile.look_alike`."""
    spaced = "".join(" " if unicodedata.category(one) == "Zs" else one for one in text)
    name = unicodedata.normalize("NFC", " ".join(word for word in spaced.split(" ") if word))
    _refuse_unseen(name)
    words = [one for one in name if unicodedata.category(one)[0] in "LN" or plain_of(one).isalnum()]
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


def _refuse_look_alikes(words: list[str]) -> None:
    """Of the name, its letters and digits."""
    for one in words:
        if script_of(one) == LATIN and read_as(one) is not None:
            raise _alike(f"{one} looks like {read_as(one)}: write that")
    letters = [one for one in words if script_of(one)]
    scripts = set(map(script_of, letters))
    if not go_together(scripts):
        raise Refused("profile.mixed_scripts", "its letters are of scripts that are not written together", status=422)
    if scripts and LATIN not in scripts:
        read = [seen for seen in map(read_as, letters) if seen is not None]
        if len(read) == len(letters):
            raise _alike(f"all of it can be read as {''.join(read)}: write more of it, such as another name of yours")


def _bad(detail: str) -> Refused:
    return Refused("profile.bad_name", detail, status=422)


def _alike(detail: str) -> Refused:
    return Refused("profile.look_alike", detail, status=422)
