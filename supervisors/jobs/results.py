"""Results: what a job returned, as the JSON that is kept. The same in a worker and in a process of its own."""

import math
from typing import Any

import msgspec
from msgspec import Raw

from greenroom.config.telemetry.shown import said

RESULT_MAX = 256 << 10  # bytes
NULL = Raw(b"null")
_encode = msgspec.json.encode


class BadResult(Exception):
    """It can't be kept, and says why."""


def encode_result(result: Any, *, of: str = "its result") -> Raw:
    """Raises: BadResult."""
    if result is None:
        return NULL
    if type(result) is float and not math.isfinite(result):
        raise BadResult(f"{of} is {result}, which JSON has not")
    try:
        encoded = _encode(result)
    except Exception as error:  # the edge: it may be anything, and its own code is asked how to show it
        raise BadResult(f"{of} is no JSON: {said(error)}") from error
    if len(encoded) > RESULT_MAX:
        raise BadResult(f"{of} has {len(encoded)} bytes, more than {RESULT_MAX}")
    return Raw(encoded)
