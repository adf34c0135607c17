"""Jobs that are not finished, and the memory that their arguments take."""

from greenroom.actors.jobs.queue.desk.known import ARGUMENTS_BYTES_MAX, Known
from greenroom.store.journal.consequences.jobs import JobRow


def row(number: int, arguments: bytes | None) -> JobRow:
    return JobRow(f"{number:032x}", "q", "job.x", arguments, 1, 1)


def test_arguments_beyond_the_memory_are_left_where_they_are_stored() -> None:
    known = Known()
    assert known.know(row(1, b"x" * ARGUMENTS_BYTES_MAX)).arguments and known.is_laden
    second = known.know(row(2, b"{}"))
    assert (second.arguments, known.arguments_bytes) == (None, ARGUMENTS_BYTES_MAX)
    known.give(known[second.id], b"abc")
    assert known.arguments_bytes == ARGUMENTS_BYTES_MAX + 3
    known.forget(known[row(1, None).id])
    assert known.arguments_bytes == 3 and list(known) == [second.id]
    known.forget(second)
    assert not known.arguments_bytes and not known.is_laden
