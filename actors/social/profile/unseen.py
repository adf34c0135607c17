"""What nobody sees of a text, though it is there."""

import re
import unicodedata
from typing import Final

# Letters, marks and a symbol by their category, and yet nothing to see, or a blank.
BLANK: Final = frozenset("\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0")
# Nothing to see, and it parts nothing: Unicode's Default_Ignorable_Code_Point, without what is Cf or above; controls.
_IGNORED: Final = re.compile(
    "[\u034f\u180b-\u180f\u2065\ufe00-\ufe0f\ufff0-\ufff8\U000e0000-\U000e0fff\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f]"
)


def without_unseen(text: str) -> str:
    """What is there to be seen, and blanks."""
    text = _IGNORED.sub("", text)
    return text if text.isascii() else "".join(one for one in text if unicodedata.category(one) != "Cf")


def is_unseen(one: str) -> bool:
    """Is it nothing, or a blank that is no space?"""
    category = unicodedata.category(one)
    return category[0] == "C" or category in ("Zl", "Zp") or one in BLANK or _IGNORED.match(one) is not None
