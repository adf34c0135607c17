"""Mentions: whom a message names with an `@`. What their inboxes hear of it is in telling.py."""

import re

MENTIONS_MAX = 10  # different ones that count, of one message
# An `@` behind a letter is part of an address; what ends a sentence is no part of a name.
_MENTION = re.compile(r"(?<![\w@])@([^\s@]{1,64})(?![^\s@])")
_PUNCTUATION = ".,:;!?…'\"“”’)]}>"


def mentioned(text: str) -> list[str]:
    """Whom `@name` names, each once, the first few. A name with a space in it can't be told from what follows."""
    if "@" not in text:
        return []
    names = (name.rstrip(_PUNCTUATION) for name in _MENTION.findall(text.replace("\0", "")))
    return list(dict.fromkeys(name for name in names if name))[:MENTIONS_MAX]
