"""What comes to a queue from the store, by whoever reads for it. None of it leaves the process."""

from greenroom.actors.model.message import Tell
from greenroom.store.jobs.jobs import JobOutcome, Look, Seen


class FoundRows(Tell, tag="queue.found_rows"):
    """To itself: jobs that others have added since it had seen so much."""

    since: Seen
    look: Look


class ReadArguments(Tell, tag="queue.read_arguments"):
    """To itself: of these jobs; one that is not among them has none any more."""

    ids: list[str]
    arguments: dict[str, bytes]


class ReadClear(Tell, tag="queue.read_clear"):
    """To itself: of these jobs those arguments that are stored in the clear. Nobody waits for them."""

    ids: list[str]
    arguments: dict[str, bytes]


class ReadOutcomes(Tell, tag="queue.read_outcomes"):
    """To itself: how the jobs are that it has asked about."""

    number: int  # of the question
    outcomes: dict[str, JobOutcome]
