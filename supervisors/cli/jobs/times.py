"""Times as people type them: `30m` from or before now, or a moment, `2026-01-31` or `2026-01-31T06:00`."""

import re
from datetime import UTC, datetime

from greenroom.supervisors.cli.terminal.plainly import BAD_USAGE, Trouble

_SPAN = re.compile(r"(\d{1,9})(s|m|h|d)")
_SECONDS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}


def ago(option: str, text: str | None, now_s: float) -> int | None:
    """Unix ms; a span lies before now. Raises: Trouble that names the option."""
    return _moment(option, text, now_s, -1)


def ahead(option: str, text: str | None, now_s: float) -> int | None:
    """Unix ms; a span lies ahead. Raises: Trouble that names the option."""
    return _moment(option, text, now_s, 1)


def span_s(option: str, text: str) -> float:
    """Raises: Trouble that names the option."""
    found = _SPAN.fullmatch(text)
    if found is None:
        raise Trouble(f"{option} {text!r}: must be as 90s, 30m, 2h or 7d", status=BAD_USAGE)
    return float(int(found[1]) * _SECONDS[found[2]])


def _moment(option: str, text: str | None, now_s: float, sign: int) -> int | None:
    if text is None:
        return None
    if _SPAN.fullmatch(text) is not None:
        return max(0, int((now_s + sign * span_s(option, text)) * 1000))
    try:
        moment = datetime.fromisoformat(text)
        return max(0, int((moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)).timestamp() * 1000))
    except (ValueError, OverflowError):
        example = "30m, 2h or 7d, or a moment (UTC): 2026-01-31 or 2026-01-31T06:00"
        raise Trouble(f"{option} {text!r}: must be as {example}", status=BAD_USAGE) from None


def lasting(ms: float) -> str:
    """As people say it."""
    seconds = ms / 1000
    if seconds < 120:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    if seconds < 7_200:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3_600:.0f} h" if seconds < 172_800 else f"{seconds / 86_400:.0f} d"


def moment_of(ms: int) -> str:
    """To the second, UTC."""
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat(" ", "seconds").removesuffix("+00:00")
