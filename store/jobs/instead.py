"""Instead: what has come of jobs in whose place others were done, since those had the same key. Pure."""

from collections.abc import Mapping

from msgspec.structs import replace

from greenroom.store.jobs.jobs import JobOutcome


def wanted(found: Mapping[str, JobOutcome]) -> list[str]:
    """Those that are to be read next; [] once all of it is known."""
    return sorted({known.instead for known in found.values() if known.instead})


def follow(found: dict[str, JobOutcome], others: Mapping[str, JobOutcome]) -> None:
    """Those are read. In the place of one there may be yet another; one that is gone says no more."""
    for job_id, known in found.items():
        if known.instead:
            other = others.get(known.instead)
            found[job_id] = replace(known, instead="") if other is None else replace(other, of=known.instead)
