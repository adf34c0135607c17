"""What a room's texts come to in rows: what Postgres can keep of them, their beginnings, and whom they mention."""

import re

PREVIEW_CHARS = 160
MENTIONS_MAX = 10  # different ones that count, of one message
# An `@` behind a letter is part of an address; what ends a sentence is no part of a name.
_MENTION = re.compile(r"(?<![\w@])@([^\s@]{1,64})(?![^\s@])")
_PUNCTUATION = ".,:;!?…'\"“”’)]}>"


def kept(text: str) -> str:
    """Without the NUL that Postgres has no place for; no font has one for it either."""
    return text.replace("\0", "")


def preview(text: str) -> str:
    """Its beginning, for a list."""
    return kept(text)[:PREVIEW_CHARS]


def mentioned(text: str) -> list[str]:
    """Whom `@name` names, each once, the first few. A name with a space in it can't be told from what follows."""
    if "@" not in text:
        return []
    names = (name.rstrip(_PUNCTUATION) for name in _MENTION.findall(kept(text)))
    return list(dict.fromkeys(name for name in names if name))[:MENTIONS_MAX]
