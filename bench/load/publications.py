"""What a generator reads out of the server's lines, without decoding JSON where the line has the usual shape.

A line of another shape is decoded properly, so the figures stay right and only the generator gets slower.
"""

import json
import re
from typing import NamedTuple

PUSH = b'{"push"'
REPLY = b'{"id":'
_USUAL_REPLY = re.compile(rb'\{"id":(\d+),"rpc":\{"data":\{"offset":(\d+)[,}]')
_USUAL_PUBLISHED = re.compile(rb'\{"id":(\d+),"publish":\{\}\}')  # a peer's


class Publication(NamedTuple):
    offset: int  # 0 for an ephemeral one
    mark: bytes  # what stands between two `~` in its text; empty without


class Reply(NamedTuple):
    id: int
    offset: int  # of the event that the command caused, 0 when the reply names none
    error: str  # empty when the command succeeded


def publication(line: bytes) -> Publication | None:
    """The publication of a push line; None for joins, leaves and the rest. Raises: ValueError when it is not JSON."""
    at = line.rfind(b'"offset":')
    end = line.find(b",", at)
    digits = line[at + 9 : end if end >= 0 else -3]
    # Behind the publication's own offset come its epoch and time, or nothing; behind one inside `data` anything may.
    outermost = end < 0 or line.startswith((b',"time":', b',"epoch":'), end)
    if at < 0 or not outermost or not digits.isdigit() or b'"pub":' not in line:
        return _decoded(line)
    start = line.find(b"~") + 1
    return Publication(int(digits), line[start : line.find(b"~", start)] if start else b"")


def reply(line: bytes) -> Reply:
    """A reply line. Raises: ValueError when it is none."""
    usual = _USUAL_REPLY.match(line)
    if usual is not None:
        return Reply(int(usual[1]), int(usual[2]), "")
    published = _USUAL_PUBLISHED.fullmatch(line)
    if published is not None:
        return Reply(int(published[1]), 0, "")
    whole = json.loads(line)
    if not isinstance(whole, dict) or "id" not in whole:
        raise ValueError(f"not a reply: {line[:200]!r}")
    error = whole.get("error")
    data = (whole.get("rpc") or {}).get("data")
    return Reply(
        whole["id"],
        data.get("offset", 0) if isinstance(data, dict) else 0,
        f"{error.get('code')} {error.get('message')}" if error else "",
    )


def _decoded(line: bytes) -> Publication | None:
    pub = json.loads(line).get("push", {}).get("pub")
    return None if pub is None else of(pub)


def of(pub: dict[str, object]) -> Publication:
    """A decoded publication, as in the `publications` of a subscribe reply."""
    data = pub.get("data")
    said = data.get("text", "") if isinstance(data, dict) else ""
    parts = str(said).split("~")
    offset = pub.get("offset", 0)
    return Publication(offset if isinstance(offset, int) else 0, parts[1].encode() if len(parts) > 2 else b"")
