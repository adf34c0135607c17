"""A job as an entity, in the kit: what is shown of it, to whom, and what its people may do."""

from typing import Any

import pytest
from msgspec import Raw
from msgspec.structs import replace

from greenroom import Refused
from greenroom.actors.jobs.options import Options
from greenroom.actors.jobs.queue.single.steering import CancelJob, Cancelling, EditJob, RetryJob, Waits
from greenroom.actors.jobs.queue.single.telling import JobChanged, Look, Looked, Standing
from greenroom.actors.jobs.single import SingleJob
from greenroom.actors.jobs.single.actor import LOOK_S
from greenroom.actors.jobs.single.messages import Cancel, Edit, Errors, Logged, Progressed, Retry, StateChanged
from greenroom.actors.model.errors import Unavailable
from greenroom.actors.model.principal import ANONYMOUS
from greenroom.store.jobs.jobs import JobFound
from greenroom.store.journal.consequences.jobs import JobRow
from greenroom.testing import Kit

ID = f"{7:032x}"
ROW = JobRow(ID, "media", "job.x", b'{"n":1}', 5, 7, options=Options(by="ann").encode())
STAFF: dict[str, Any] = {"user": "svc", "roles": ("service",)}


class Behind:
    """The row and the queue of the job."""

    def __init__(self, standing: Standing | None, found: JobFound | None = None) -> None:
        self.standing = standing
        self.found = found or JobFound(ROW, "unfinished")
        self.asked: list[Any] = []
        self.kit = Kit(SingleJob, key=ID)
        self.kit._world.jobs.by_id[ID] = self.found
        self.kit.when_asked("queue:media", self._answer)
        self.kit.restart()

    def _answer(self, message: Any) -> Any:
        if isinstance(message, Look):
            return Looked(self.standing)
        self.asked.append(message)
        return Cancelling("cancelling") if isinstance(message, CancelJob) else Waits(9)

    def ends(self, state: str, **fields: Any) -> None:
        self.kit._world.jobs.by_id[ID] = JobFound(ROW, state, ended_ms=9, **fields)
        self.standing = None
        self.kit.tell(JobChanged(standing=None))


def events(kit: Kit[SingleJob]) -> list[Any]:
    found, kit.events[:] = list(kit.events), []
    return found


def test_it_shows_its_row_and_how_its_queue_says_it_stands() -> None:
    standing = Standing(state="active", attempt=2, attempts=1, share=0.5, note="half", lines=["b"], first_line=1)
    view = Behind(standing).kit.watch(**STAFF)
    assert (view["state"], view["attempt"], view["share"], view["log"]) == ("active", 2, 0.5, ["b"])
    assert (view["queue"], view["job"], view["arguments"], view["by"]) == ("media", "job.x", {"n": 1}, "ann")


def test_a_job_that_its_queue_has_not_found_yet_waits() -> None:
    assert Behind(None).kit.watch(**STAFF)["state"] == "waiting"


def test_a_job_that_has_ended_shows_how() -> None:
    found = JobFound(ROW, "failed", ended_ms=9, errors=b'[{"error":"no good"}]')
    view = Behind(None, found).kit.watch(**STAFF)
    assert (view["state"], view["ended_ms"], view["errors"]) == ("failed", 9, [{"error": "no good"}])


def test_workers_and_traces_of_errors_are_for_staff() -> None:
    error = b'{"at_ms":8,"worker":"host/7","attempt":1,"error":"no good","trace":"secret.py"}'
    found = JobFound(ROW, "failed", ended_ms=9, errors=b"[%b]" % error)
    kit = Behind(None, found).kit
    for who in ({"user": "ann"}, STAFF):
        assert kit.watch(**who)["errors"] == [{"at_ms": 8, "attempt": 1, "error": "no good"}]
    with pytest.raises(Refused, match="forbidden"):
        kit.ask(Errors(), user="ann")
    (told,) = kit.ask(Errors(), **STAFF).errors
    assert (told["worker"], told["trace"]) == ("host/7", "secret.py")


def test_watchers_see_what_differs_and_each_line_once() -> None:
    behind = Behind(Standing(state="waiting"))
    kit = behind.kit
    kit.watch(**STAFF)
    active: dict[str, Any] = {"state": "active", "attempt": 1}
    kit.tell(JobChanged(standing=Standing(**active)))
    kit.tell(JobChanged(standing=Standing(**active, share=0.1, note="a", lines=["one"])))
    kit.tell(JobChanged(standing=Standing(**active, share=0.1, note="a", lines=["one", "two"])))
    kit.tell(JobChanged(standing=Standing(**active, share=0.1, note="a", lines=["three"], first_line=2)))
    assert events(kit) == [
        StateChanged(state="active", attempt=1, attempts=0, due_ms=0),
        Progressed(share=0.1, note="a"),
        Logged(lines=["one"]),
        Logged(lines=["two"]),
        Logged(lines=["three"]),
    ]
    behind.ends("completed", result=b"7")
    assert events(kit) == [StateChanged(state="completed", attempt=0, attempts=0, due_ms=7, result=Raw(b"7"))]
    assert kit.view()["log"] == ["one", "two", "three"] and kit.view()["result"] == 7


def test_a_new_attempt_begins_its_log_anew() -> None:
    behind = Behind(Standing(state="active", attempt=1, started_ms=3, lines=["old"]))
    kit = behind.kit
    kit.watch(**STAFF)
    behind.standing = Standing(state="retrying", attempts=1)
    kit.tell(JobChanged(standing=behind.standing, last_lines=["older"], last_line=1))
    assert kit.view()["log"] == []
    assert [type(one) for one in events(kit)] == [Logged, StateChanged]
    behind.standing = Standing(state="active", attempt=2, started_ms=5, lines=["new"])
    kit.tell(JobChanged(standing=behind.standing))
    assert kit.view()["log"] == ["new"]


def test_the_error_of_an_attempt_is_read_with_the_next_one() -> None:
    """Also where that began at once, as after a worker was lost."""
    behind = Behind(Standing(state="active", attempt=1, started_ms=3))
    kit = behind.kit
    kit.watch(**STAFF)
    row = replace(ROW, lost=1)
    kit._world.jobs.by_id[ID] = JobFound(row, "unfinished", errors=b'[{"error":"the worker was lost"}]')
    behind.standing = Standing(state="active", attempt=1, lost=1, started_ms=5, worker="v")
    kit.tell(JobChanged(standing=behind.standing))
    view = kit.view()
    assert (view["errors"], view["lost"], view["worker"]) == ([{"error": "the worker was lost"}], 1, "v")


def test_it_looks_again_while_somebody_watches_and_sees_what_it_was_not_told() -> None:
    behind = Behind(Standing(state="waiting"))
    kit = behind.kit
    kit.watch(**STAFF, client="c")
    behind.standing = Standing(state="active", attempt=1)
    kit.advance(LOOK_S + 0.1)
    assert [one.state for one in events(kit)] == ["active"]
    assert not kit.actor.may_sleep()
    kit.unwatch(client="c")
    asked = len(kit.asked)
    kit.advance(2 * LOOK_S)
    assert len(kit.asked) == asked and kit.actor.may_sleep()


def test_a_queue_that_does_not_answer_is_asked_again_later() -> None:
    behind = Behind(Standing(state="waiting"))
    kit = behind.kit
    kit.watch(**STAFF)

    def fails(message: Any) -> Any:
        raise Unavailable("away")

    kit.when_asked("queue:media", fails)
    kit.advance(LOOK_S + 0.1)
    assert kit.view()["state"] == "waiting" and events(kit) == []


def test_staff_and_whom_it_was_added_for_may_watch_and_cancel_it() -> None:
    behind = Behind(Standing(state="active", attempt=1))
    kit = behind.kit
    kit.watch(user="ann")
    assert kit.ask(Cancel(reason="enough"), user="ann").state == "cancelling"
    assert behind.asked == [CancelJob(id=ID, reason="enough")]
    with pytest.raises(Refused, match="forbidden"):
        kit.watch(user="bob")
    with pytest.raises(Refused, match="forbidden"):
        kit.watch(principal=ANONYMOUS)
    messages: tuple[Any, ...] = (Cancel(), Retry(), Edit(priority=1))
    for message in messages:
        with pytest.raises(Refused, match="forbidden"):
            kit.ask(message, user="bob")
    for message in messages[1:]:
        with pytest.raises(Refused, match="forbidden"):
            kit.ask(message, user="ann")


def test_staff_try_it_again_and_edit_it() -> None:
    behind = Behind(Standing(state="retrying"))
    behind.kit.ask(Retry(detached=True), **STAFF)
    behind.kit.ask(Edit(priority=1, arguments=Raw(b'{"n":2}')), **STAFF)
    assert behind.asked == [RetryJob(id=ID, detached=True), EditJob(id=ID, priority=1, arguments=Raw(b'{"n":2}'))]


@pytest.mark.parametrize("key", [ID, "lobby", "x" * 32])
def test_there_is_none(key: str) -> None:
    kit = Kit(SingleJob, key=key)
    for ask in (lambda: kit.watch(**STAFF), lambda: kit.ask(Cancel(), **STAFF)):
        with pytest.raises(Refused, match="not_found"):
            ask()
