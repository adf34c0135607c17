"""Unique: of jobs with the same key not all are done.

    class Transcode(Job, queue="media", tag="job.transcode"):
        video: str
        height: int = 720
        unique = Unique("video", "height")

The key is made of the job's class and the values of those fields. Four ways, as users of BullMQ know them:

- `simple`: while one is not finished, another is not added.
- `throttle`: for `ttl_s` from when one was added, another is not, whatever becomes of the first.
- `debounce`: it waits until none has come for `ttl_s`, and has the arguments of the last. One that is under way is not
  held up, nor does it hold up the next.
- `keep_last`: one is under way and one waits, with the arguments of the last.

Whoever adds one that is not added is answered the id of the first.
"""

from hashlib import sha256
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from greenroom.actors.jobs.options import TTL_MAX_S, Mode, UniqueKey


class Unique:
    """By which fields, and how. No field at all: there is one job of the class."""

    def __init__(self, *fields: str, mode: Mode = "simple", ttl_s: float = 0.0) -> None:
        """Raises: ValueError."""
        checked = msgspec.convert({"mode": mode, "ttl_s": ttl_s}, _Checked)
        if not ttl_s and mode in ("throttle", "debounce"):
            raise ValueError(f"`ttl_s` must be above 0 for {mode}")
        self.fields = fields
        self.mode: Mode = checked.mode
        self.ttl_s = checked.ttl_s

    def key_of(self, job: Any) -> UniqueKey:
        """Of a job's instance."""
        tag = type(job).__struct_config__.tag
        values = msgspec.json.encode([getattr(job, name) for name in self.fields], order="sorted")
        return UniqueKey(f"{tag}:{sha256(values).hexdigest()[:32]}"[-255:], self.mode, self.ttl_s)


class _Checked(Struct):
    mode: Mode
    ttl_s: Annotated[float, Meta(ge=0, le=TTL_MAX_S)]
