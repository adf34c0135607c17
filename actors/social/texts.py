"""What a text comes to: its tags, whom it mentions, its beginning, and what Postgres can keep of it. All of it bounded,
whatever the text is."""

import re
import unicodedata

from greenroom.actors.model.principal import user_id_problem

TAGS_MAX = 30
TAG_CHARS_MAX = 100
MENTIONS_MAX = 50  # different ones that count, of one text
PREVIEW_CHARS = 160
# A `#` or an `@` behind a letter is part of an address; what ends a sentence is no part of a name.
_TAG = re.compile(r"(?<![\w#&/])#(\w+)")
_MENTION = re.compile(r"(?<![\w@])@([^\s@]{1,64})(?![^\s@])")
_PUNCTUATION = ".,:;!?…'\"“”’)]}>"


def kept(text: str) -> str:
    """Without the NUL that Postgres has no place for; no font has one for it either."""
    return text.replace("\0", "")


def preview(text: str) -> str:
    """Its beginning, for a line about it."""
    return kept(text)[:PREVIEW_CHARS]


def tag_named(name: str) -> str:
    """The tag as all spell it, without its `#`: small letters, one form of each; "" for what is none."""
    if len(name) > TAG_CHARS_MAX:
        return ""
    tag = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name.removeprefix("#")).casefold())
    is_tag = len(tag) <= TAG_CHARS_MAX and re.fullmatch(r"\w+", tag) is not None and not tag.isdecimal()
    return tag if is_tag else ""


def tags_of(text: str) -> list[str]:
    """The tags of a text, each once, the first TAGS_MAX."""
    found: dict[str, None] = {}
    for match in _TAG.finditer(text):
        tag = tag_named(match[1])
        if tag:
            found[tag] = None
            if len(found) == TAGS_MAX:
                break
    return list(found)


def mentions_of(text: str) -> list[str]:
    """Whom `@name` names, each once, the first MENTIONS_MAX. A name with a space can't be told from what follows."""
    found: dict[str, None] = {}
    for match in _MENTION.finditer(text):
        name = match[1].rstrip(_PUNCTUATION)
        if not user_id_problem(name):
            found[name] = None
            if len(found) == MENTIONS_MAX:
                break
    return list(found)
