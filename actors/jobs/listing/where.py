"""Which jobs are meant, as whoever asks says it: in a query, or in a command."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

from greenroom.actors.jobs.texts import NAME_MAX, TEXT_PATTERN, JobId, NameOrNone
from greenroom.actors.views.cursor import Cursors
from greenroom.store.jobs.filter import JobFilter, words_of

State = Literal["blocked", "waiting", "delayed", "retrying", "active", "cancelling", "completed", "failed", "cancelled"]
UnixMs = Annotated[int, Meta(ge=0, le=1 << 53)]
SEARCH_MAX = 200  # characters
WORDS_MAX = 8
IDS_MAX = 1_000


class Where(Struct, frozen=True, omit_defaults=True):
    """All that is given holds for a job that is meant. Of times `since` is included and `until` is not."""

    state: Annotated[list[State], Meta(max_length=9)] = []  # any of these
    kind: NameOrNone = ""  # the tag of its class
    key: Annotated[str, Meta(max_length=NAME_MAX, pattern=TEXT_PATTERN)] | None = None  # "": those without one
    search: Annotated[str, Meta(max_length=SEARCH_MAX, pattern=TEXT_PATTERN)] = ""  # words of arguments and errors
    id: Annotated[list[JobId], Meta(max_length=IDS_MAX)] = []  # any of these
    added_since_ms: UnixMs | None = None
    added_until_ms: UnixMs | None = None
    ended_since_ms: UnixMs | None = None
    ended_until_ms: UnixMs | None = None

    def __post_init__(self) -> None:
        if len(words_of(self.search)) > WORDS_MAX:
            raise ValueError(f"`search` has more than {WORDS_MAX} words")

    def of(self, queue: str = "") -> JobFilter:
        """Of that queue, or of all."""
        return JobFilter(
            queue=queue,
            states=tuple(self.state),
            job=self.kind,
            key=self.key,
            words=words_of(self.search),
            ids=tuple(self.id),
            added_since_ms=self.added_since_ms,
            added_until_ms=self.added_until_ms,
            ended_since_ms=self.ended_since_ms,
            ended_until_ms=self.ended_until_ms,
        )


def cursors_of(asked: JobFilter) -> Cursors:
    """Places in the list of these jobs: one of another filter is none."""
    return Cursors(("jobs", msgspec.json.encode(asked).decode()), [str])
