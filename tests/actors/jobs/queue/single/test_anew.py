"""A job that has ended, begun anew."""

from greenroom.actors.jobs.options import Options, UniqueKey
from greenroom.actors.jobs.queue.single.anew import anew, settled_with
from greenroom.store.journal.consequences.jobs import JobRow


def test_it_has_all_its_attempts_and_of_its_options_only_who_may_watch_it() -> None:
    options = Options(unique=UniqueKey("k"), origin="film:a", about="hd", by="ann", expires_ms=7, weight=3).encode()
    row = JobRow("a" * 32, "q", "job.x", b"{}", 5, 6, attempts=4, lost=2, options=options, unique_key="k", cancel="no")
    row.is_of_others = True
    assert anew(row, 9) == JobRow("a" * 32, "q", "job.x", b"{}", 5, 9, options=Options(by="ann", weight=3).encode())
    row.options = None
    assert anew(row, 9).options is None


def test_whoever_was_told_how_it_ended_has_gone_on_and_a_schedule_has_not() -> None:
    def origin(options: Options | None) -> str:
        return settled_with(
            JobRow("a" * 32, "q", "job.x", b"{}", 5, 6, options=options.encode() if options is not None else None)
        )

    assert origin(Options(origin="film:a", about="hd")) == "film:a"
    assert origin(Options(origin="schedule:nightly", about="run")) == ""
    assert origin(Options(by="ann")) == origin(None) == ""
