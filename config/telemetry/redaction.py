"""Redaction: what may not be read in a log, whoever logged it. The last step before a line is written.

Three nets: values under telling names (`token`, `password` …), secrets recognisable inside any text (passwords of URLs,
bearer tokens, JWTs, `?token=`), and bounds on length and depth, since much of what is logged was chosen by a peer.
"""

import math
import re
from collections.abc import Mapping, MutableMapping
from typing import Any, Final

REDACTED: Final = "[redacted]"
_TEXT_MAX: Final = 16_384  # characters of one value; a traceback fits
_ITEMS_MAX: Final = 100  # a longer list or mapping is cut
_DEPTH_MAX: Final = 5

_TELLING_NAME: Final = re.compile(
    r"token|secret|passw|passphrase|authorization|cookie|credential|api_?key|private_?key", re.I
)
# Peers choose some of these texts, so no pattern may take quadratic time: a repeat is bounded, or can't restart inside
# what it has passed.
_IN_TEXT: Final = (
    (re.compile(r"(\b[a-z][a-z0-9+.-]{0,20}://[^\s/:@]{0,256}):[^\s/]{1,512}@", re.I), rf"\1:{REDACTED}@"),
    (re.compile(r"\b(bearer|basic)\s{1,4}[A-Za-z0-9._~+/=-]{6,}", re.I), rf"\1 {REDACTED}"),
    (re.compile(r"(?<![A-Za-z0-9_-])eyJ[A-Za-z0-9_-]{5,}\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*"), REDACTED),
    (
        re.compile(
            r"\b(\w{0,32}(?:token|secret|password|api_?key)\w{0,32})(=[\"']?|[\"']?:\s?[\"'])[^\s&;,\"'\[][^\s&;,\"']*",
            re.I,
        ),
        rf"\1\2{REDACTED}",
    ),
)
# Terminals obey these, and a peer must not drive an operator's terminal. Tabs and line ends stay, for tracebacks.
# Those of bidirectional text and of lines let a text show in another order than it has, or as a line of its own.
_BIDI: Final = (0x61C, 0x200E, 0x200F, *range(0x2028, 0x202F), *range(0x2066, 0x206A))
_CONTROLS: Final = {code: f"\\x{code:02x}" for code in (*range(9), *range(11, 32), *range(127, 160))} | {
    code: f"\\u{code:04x}" for code in _BIDI
}


def redact(_logger: object, _method: str, event: MutableMapping[str, Any]) -> dict[str, Any]:
    """A structlog processor; goes after those that add or format values."""
    return {name: _clean(name, value, 0) for name, value in event.items()}


def is_telling(name: str) -> bool:
    """Is what stands under this name, where it is a text or more, no log's business?"""
    return _TELLING_NAME.search(name) is not None


def redact_text(text: str) -> str:
    """`text` without the secrets that show by their form, cut to a bound and without control characters."""
    if len(text) > _TEXT_MAX:
        # The head says what it is, the tail of a traceback says why.
        text = f"{text[: _TEXT_MAX // 2]} …{len(text) - _TEXT_MAX} characters cut… {text[-_TEXT_MAX // 2 :]}"
    for pattern, replacement in _IN_TEXT:
        text = pattern.sub(replacement, text)
    return text if text.isprintable() else text.translate(_CONTROLS)


def _clean(name: str, value: object, depth: int) -> object:
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)  # JSON has no word for it
    if value is None or isinstance(value, bool | int | float):
        return value  # a count or a duration (token_ttl_s=900) is no secret
    if is_telling(name):
        return REDACTED
    if isinstance(value, str):
        return redact_text(value)
    if depth >= _DEPTH_MAX:
        return "…"
    if isinstance(value, Mapping):
        items = list(value.items())[:_ITEMS_MAX]
        return {str(key): _clean(str(key), item, depth + 1) for key, item in items}
    if isinstance(value, list | tuple | set | frozenset):
        return [_clean("", item, depth + 1) for item in list(value)[:_ITEMS_MAX]]
    if isinstance(value, bytes | bytearray):
        return redact_text(bytes(value[:_TEXT_MAX]).decode("utf-8", "backslashreplace"))
    try:
        return redact_text(repr(value))
    except Exception:  # a broken __repr__ must not take the caller down with it
        return f"<{type(value).__name__}>"
