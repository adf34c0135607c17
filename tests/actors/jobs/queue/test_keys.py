"""Which jobs are one: the four ways, whoever adds them, and as a queue finds them when it begins anew."""

import json
from typing import Any

import msgspec
import pytest
from msgspec import Raw

from greenroom import Refused
from greenroom.actors.jobs.options import Mode, Options, UniqueKey
from greenroom.actors.jobs.queue import Queue
from greenroom.actors.jobs.queue.desk import Desk
from greenroom.actors.jobs.queue.keys import CLOCKS_MS, WINDOWS_MAX
from greenroom.actors.jobs.queue.messages import Add, Added, AddMany, Beat, Fail, Finished, NewJob, Take
from greenroom.actors.jobs.queue.single.steering import EditJob
from greenroom.store.journal.consequences.jobs import BackRow, JobRow, Jobs, TakeRow, WindowRow
from greenroom.testing import Kit

NOW = 1_000_000
TTL_S = 10.0


def unique(mode: Mode, key: str = "k") -> UniqueKey:
    return UniqueKey(key, mode, TTL_S if mode in ("throttle", "debounce") else 0.0)


def add(kit: Kit[Queue], mode: Mode, number: int = 1, **fields: Any) -> Added:
    added: Added = kit.ask(Add(job="job.x", arguments=Raw(b'{"n":%d}' % number), unique=unique(mode), **fields))
    return added


def take(kit: Kit[Queue], most: int = 10) -> list[tuple[str, int, int]]:
    """Ids, arguments, and the token."""
    taken = kit.ask(Take(worker="w", most=most))
    return [(job.id, msgspec.json.decode(job.arguments)["n"], taken.token) for job in taken.jobs]


def finish(kit: Kit[Queue], id: str, token: int, **how: Any) -> None:
    assert kit.ask(Take(worker="w", most=0, finished=[Finished(id, token, **how)])).refused == []


def queue() -> Kit[Queue]:
    return Kit(Queue, key="media")


def test_simple_while_one_is_not_finished_another_is_not_added() -> None:
    kit = queue()
    first = add(kit, "simple")
    assert not first.duplicate
    assert add(kit, "simple", 2) == Added(first.id, True)
    ((_, arguments, token),) = take(kit)
    assert arguments == 1
    assert add(kit, "simple", 3) == Added(first.id, True), "while it is under way too"
    finish(kit, first.id, token, error="no", retry_s=60.0)
    assert add(kit, "simple", 4) == Added(first.id, True), "and while it is to be tried again"
    kit.advance(61.0)
    finish(kit, first.id, take(kit)[0][2])
    assert not add(kit, "simple", 5).duplicate
    assert not kit.ask(Add(job="job.x", unique=unique("simple", "other"))).duplicate


def test_throttle_for_a_while_another_is_not_added_whatever_becomes_of_the_first() -> None:
    kit = queue()
    first = add(kit, "throttle")
    ((_, _, token),) = take(kit)
    finish(kit, first.id, token)
    assert add(kit, "throttle", 2) == Added(first.id, True)
    kit.advance(TTL_S - 0.1)
    assert add(kit, "throttle", 2) == Added(first.id, True)
    kit.advance(0.2)
    second = add(kit, "throttle", 3)
    assert not second.duplicate and add(kit, "throttle", 4) == Added(second.id, True)


def test_debounce_the_last_goes_once_none_has_come_for_a_while() -> None:
    kit = queue()
    first = add(kit, "debounce")
    for number in (2, 3, 4):
        kit.advance(TTL_S - 1.0)
        assert add(kit, "debounce", number) == Added(first.id, True)
    assert take(kit) == []
    kit.advance(TTL_S - 1.0)
    assert take(kit) == []
    kit.advance(1.1)
    ((id, arguments, token),) = take(kit)
    assert (id, arguments) == (first.id, 4)
    second = add(kit, "debounce", 5)
    assert not second.duplicate, "it is under way, and holds nobody up"
    for _ in range(2):
        kit.advance(TTL_S / 2 + 0.1)
        kit.ask(Beat(worker="w", tokens=[token]))
    assert [arguments for _, arguments, _ in take(kit)] == [5]


def test_keep_last_one_is_under_way_and_one_waits_with_the_last_arguments() -> None:
    kit = queue()
    first = add(kit, "keep_last", 1)
    assert add(kit, "keep_last", 2) == Added(first.id, True), "it waits still, and is as the last"
    ((_, arguments, token),) = take(kit)
    assert arguments == 2
    second = add(kit, "keep_last", 3)
    assert not second.duplicate
    assert add(kit, "keep_last", 4) == Added(second.id, True)
    assert take(kit) == [], "it waits for the first"
    finish(kit, first.id, token, error="no", retry_s=5.0)
    assert take(kit) == [], "also while that is to be tried again"
    kit.advance(5.1)
    ((again, _, token),) = take(kit)
    assert again == first.id
    finish(kit, first.id, token)
    assert [(id, arguments) for id, arguments, _ in take(kit)] == [(second.id, 4)]


def test_one_message_may_have_a_key_twice() -> None:
    kit = queue()
    jobs = [NewJob("job.x", Raw(b'{"n":%d}' % number), unique=unique("debounce")) for number in range(3)]
    added = kit.ask(AddMany(jobs=[*jobs, NewJob("job.x", Raw(b'{"n":9}'))]))
    assert added.ids[0] == added.ids[1] == added.ids[2] != added.ids[3] and added.duplicates == [1, 2]
    kit.advance(TTL_S + 1.0)
    assert sorted(arguments for _, arguments, _ in take(kit)) == [2, 9]


def test_who_gave_up_makes_room() -> None:
    kit = queue()
    first = add(kit, "simple", attempts=1)
    ((_, _, token),) = take(kit)
    kit.ask(Fail(worker="w", id=first.id, token=token))
    assert not add(kit, "simple").duplicate


@pytest.mark.bound("keys of one queue that keep others out for a while")
def test_there_are_not_more_windows_than_fit() -> None:
    kit = queue()
    until = int(kit.now * 1000) + int(TTL_S * 1000)
    kit.actor.desk.keys.begin(WindowRow("media", f"{n}", "0" * 32, until) for n in range(WINDOWS_MAX - 1))
    kit.ask(Add(job="job.x", unique=unique("throttle", "b")))
    one = unique("throttle", "d")
    found = JobRow("d" * 32, "media", "job.x", b"1", 0, 0, options=Options(unique=one).encode(), unique_key="d")
    writes = Jobs()
    kit.actor.desk.found([found], int(kit.now * 1000), writes)
    assert not writes, "it is let in, as others with its key will be"
    with pytest.raises(Refused, match="too many keys"):
        kit.ask(Add(job="job.x", unique=unique("throttle", "c")))
    kit.ask(Add(job="job.x", unique=unique("simple", "c")))
    kit.advance(TTL_S + 1.0)
    kit.ask(Add(job="job.x", unique=unique("throttle", "c")))


# On the desk.


def row(number: int, mode: Mode = "simple", *, others: bool = False, about: str = "", **fields: Any) -> JobRow:
    one = unique(mode)
    options = Options(unique=one, origin="film:a" if about else "", about=about)
    given = {"queue": "q", "job": "job.x", "arguments": b"%d" % number, "added_ms": NOW, "due_ms": one.due_ms(NOW)}
    return JobRow(
        **{"id": f"{number:032x}", "options": options.encode(), **given, **fields},
        unique_key=one.key,
        is_of_others=others,
    )


def ready(desk: Desk, now_ms: int = NOW) -> list[str]:
    return [job.id for job in desk.take("w", 100, None, now_ms, Jobs())[1]]


def test_of_two_that_are_found_the_first_is_done_and_the_others_starter_hears_so() -> None:
    desk, writes = Desk("q"), Jobs()
    desk.found([row(1), row(2, about="b")], NOW, writes)
    assert ready(desk) == [row(1).id]
    (end,) = writes.ended.values()
    assert (end.id, end.state) == (row(2).id, "cancelled")
    assert row(1).id in json.loads(end.error or b"")["error"]
    (report,) = desk.reports
    assert (report.id, report.name, report.options.about) == (row(2).id, "job.duplicate", "b")


@pytest.mark.parametrize("mode", ["debounce", "keep_last"])
def test_of_two_that_are_found_the_last_is_done_where_the_last_counts(mode: Mode) -> None:
    desk, writes = Desk("q"), Jobs()
    desk.found([row(1, mode, about="a"), row(2, mode)], NOW, writes)
    assert ready(desk, NOW + 20_000) == [row(2, mode).id]
    assert list(writes.ended) == [row(1).id]
    assert [(report.id, report.name) for report in desk.reports] == [(row(1).id, "job.duplicate")]


def test_what_is_found_waits_behind_the_one_that_is_under_way_and_makes_room_for_the_next() -> None:
    desk, writes = Desk("q"), Jobs()
    desk.found([row(1, "keep_last")], NOW, writes)
    token, _ = desk.take("w", 1, None, NOW, writes)
    desk.found([row(2, "keep_last"), row(3, "keep_last")], NOW, writes)
    assert ready(desk) == [] and list(writes.ended) == [row(2).id]
    desk.finish("w", [Finished(row(1).id, token)], NOW, writes)
    assert ready(desk) == [row(3).id]


def test_a_window_that_is_found_open_is_written_once() -> None:
    desk, writes = Desk("q"), Jobs()
    desk.found([row(1, "throttle"), row(2, "throttle")], NOW, writes)
    assert list(writes.windows.values()) == [WindowRow("q", "k", row(1).id, NOW + 10_000)]
    assert list(writes.ended) == [row(2).id]


def test_of_a_window_that_is_open_what_was_let_in_before_is_done() -> None:
    """Read when the queue begins anew: one that has opened the window, one before that, and one that came too early."""
    desk, writes = Desk("q"), Jobs()
    desk.begin_with([], [WindowRow("q", "k", row(2).id, NOW + 10_000)])
    early = row(1, "throttle", others=True, added_ms=NOW - 50_000)
    desk.found([early, row(2, "throttle", others=True), row(3, "throttle", others=True)], NOW, writes)
    assert ready(desk) == [row(1).id, row(2).id] and list(writes.ended) == [row(3).id]


@pytest.mark.parametrize("ahead_ms", [CLOCKS_MS, CLOCKS_MS + 1])
def test_a_window_by_a_clock_that_was_set_back_keeps_nobody_out(ahead_ms: int) -> None:
    desk, writes = Desk("q"), Jobs()
    desk.begin_with([], [WindowRow("q", "k", row(1).id, NOW + ahead_ms + int(TTL_S * 1000))])
    desk.found([row(2, "throttle", added_ms=NOW + 60_000)], NOW, writes)
    is_trusted = ahead_ms <= CLOCKS_MS
    assert (ready(desk) == []) is is_trusted, "it is a little ahead, as clocks are"
    assert bool(writes.windows) is not is_trusted, "a window of now is open in its place"


def test_what_others_have_added_is_judged_anew_when_the_queue_begins() -> None:
    desk, writes = Desk("q"), Jobs()
    desk.begin([row(1, others=True), row(2), row(3, others=True)], [], NOW)
    assert ready(desk) == [row(2).id], "what it has added itself was let in"
    unsettled, desk.unsettled = desk.unsettled, []
    desk.found(unsettled, NOW, writes)
    assert sorted(writes.ended) == [row(1).id, row(3).id]


@pytest.mark.parametrize("mode", ["simple", "throttle"])
def test_what_was_under_way_before_the_queue_begins_is_not_given_up_for_another(mode: Mode) -> None:
    """It waits for its next attempt, with steps that are through: it was let in, whatever has come since."""
    desk, writes = Desk("q"), Jobs()
    tried, other = row(2, mode, others=True, let_go=5, lost=1), row(1, mode, others=True)
    desk.begin_with([], [WindowRow("q", "k", "e" * 32, NOW + 10_000)], [tried.id])
    desk.load([other, tried], NOW)
    unsettled, desk.unsettled = desk.unsettled, []
    desk.found(unsettled, NOW, writes)
    assert (list(writes.ended), writes.unstepped) == ([other.id], [])
    token, (taken,) = desk.take("w", 10, None, NOW, writes)
    desk.finish("w", [Finished(taken.id, token)], NOW, writes)
    assert taken.id == tried.id and writes.unstepped == [tried.id]


def test_steps_go_with_a_job_that_ends_as_it_is_found() -> None:
    desk, writes = Desk("q"), Jobs()
    desk.begin_with([], [], [row(2).id])
    desk.found([row(1), row(2)], NOW, writes)
    assert list(writes.ended) == writes.unstepped == [row(2).id] and not desk.with_steps


@pytest.mark.parametrize("first_is_read", [True, False])
def test_what_is_under_way_when_the_queue_begins_holds_back_the_next(first_is_read: bool) -> None:
    """In whichever order they are read: clocks of two owners may differ."""
    desk, writes = Desk("q"), Jobs()
    rows = [row(1, "keep_last"), row(2, "keep_last")]
    active = rows[0] if first_is_read else rows[1]
    desk.begin(rows, [TakeRow("q", 5, "v", NOW, [active.id])], NOW)
    assert ready(desk) == []
    desk.finish("v", [Finished(active.id, 5)], NOW, writes)
    assert len(ready(desk)) == 1


def test_what_was_tried_goes_first_when_the_queue_begins() -> None:
    desk = Desk("q")
    desk.begin([row(1, "keep_last", attempts=1), row(2, "keep_last")], [], NOW)
    assert ready(desk) == [row(1).id]


@pytest.mark.parametrize("mode", ["debounce", "keep_last"])
@pytest.mark.parametrize("is_in_memory", [True, False])
def test_what_somebody_has_had_makes_no_room(mode: Mode, is_in_memory: bool) -> None:
    """Of its attempt, or before it was put back, something may have been done: who has started it would take it for
    nothing."""
    desk, now_ms, writes = Desk("q"), NOW + 10_000, Jobs()
    if is_in_memory:
        desk.begin([row(1, mode, about="a")], [], NOW)
        token, _ = desk.take("w", 1, None, now_ms, writes)
        desk.finish("w", [Finished(row(1).id, token, refund=True)], now_ms, writes)
    else:
        desk.begin([row(1, mode, about="a", let_go=5)], [], NOW)
    desk.found([row(2, mode, others=True)], now_ms, writes)
    assert not writes.ended and not desk.reports
    assert ready(desk, now_ms)[:1] == [row(1).id]


@pytest.mark.parametrize("mode", ["debounce", "keep_last"])
@pytest.mark.parametrize("lives", [1, 2])
def test_what_somebody_has_had_and_has_not_begun_makes_room(mode: Mode, lives: int) -> None:
    desk, now_ms, writes = Desk("q"), NOW + 10_000, Jobs()
    desk.begin([row(1, mode, about="a")], [], NOW)
    token, _ = desk.take("w", 1, None, now_ms, writes)
    desk.finish("w", [Finished(row(1).id, token, refund=True, unbegun=True)], now_ms, writes)
    if lives > 1:
        back = writes.back[row(1).id]
        desk = Desk("q")
        desk.begin([row(1, mode, about="a", let_go=back.let_go, options=back.options)], [], NOW)
    desk.found([row(2, mode, others=True)], now_ms, writes)
    assert list(writes.ended) == [row(1).id] and [one.name for one in desk.reports] == ["job.duplicate"]
    assert ready(desk, now_ms) == [row(2).id]


@pytest.mark.parametrize("mode", ["debounce", "keep_last"])
def test_what_nobody_had_begun_may_have_been_begun_under_an_earlier_release(mode: Mode) -> None:
    """That lets it go, and leaves the options as they were."""
    desk, now_ms, writes = Desk("q"), NOW + 10_000, Jobs()
    desk.begin([row(1, mode, about="a")], [], NOW)
    token, _ = desk.take("w", 1, None, now_ms, writes)
    desk.finish("w", [Finished(row(1).id, token, refund=True, unbegun=True)], now_ms, writes)
    options = writes.back[row(1).id].options
    later = Desk("q")
    later.begin([row(1, mode, about="a", let_go=token + 1, options=options)], [], NOW)
    later.found([row(2, mode, others=True)], now_ms, writes)
    assert not writes.ended and row(1).id in later.jobs


@pytest.mark.parametrize("mode", ["debounce", "keep_last"])
def test_what_was_put_back_twice_and_never_begun_makes_room_in_the_next_life(mode: Mode) -> None:
    desk, now_ms, writes = Desk("q"), NOW + 10_000, Jobs()
    desk.begin([row(1, mode)], [], NOW)
    for _ in range(2):
        token, _ = desk.take("w", 1, None, now_ms, writes)
        desk.finish("w", [Finished(row(1).id, token, refund=True, unbegun=True)], now_ms, writes)
    back = writes.back[row(1).id]
    later = Desk("q")
    later.begin([row(1, mode, let_go=back.let_go, options=back.options)], [], NOW)
    later.found([row(2, mode, others=True)], now_ms, writes)
    assert list(writes.ended) == [row(1).id]


@pytest.mark.parametrize("first", [True, False])
def test_one_that_was_begun_once_was(first: bool) -> None:
    """And the other time it was not."""
    desk, now_ms, writes = Desk("q"), NOW + 10_000, Jobs()
    desk.begin([row(1, "keep_last")], [], NOW)
    for unbegun in (not first, first):
        token, _ = desk.take("w", 1, None, now_ms, writes)
        message = Jobs()
        desk.finish("w", [Finished(row(1).id, token, refund=True, unbegun=unbegun)], now_ms, message)
        writes.merge(message)
    back = writes.back[row(1).id]
    later = Desk("q")
    options = back.options or row(1, "keep_last").options
    later.begin([row(1, "keep_last", let_go=back.let_go, options=options)], [], NOW)
    for one in (desk, later):
        one.found([row(2, "keep_last", others=True)], now_ms, writes)
        assert row(1).id in one.jobs and ready(one, now_ms) == [row(1).id]


@pytest.mark.parametrize("unbegun", [False, True])
def test_what_somebody_has_had_goes_first_when_the_queue_begins(unbegun: bool) -> None:
    """In whichever order they are read: clocks of two owners may differ."""
    options = Options(unique=unique("keep_last"), unbegun_token=5 if unbegun else 0).encode()
    desk = Desk("q")
    desk.begin([row(1, "keep_last"), row(2, "keep_last", let_go=5, options=options)], [], NOW)
    assert ready(desk) == [row(2).id]


def test_what_is_changed_is_written_and_kept_in_memory() -> None:
    """What is stored may be older than that when it is read."""
    desk, writes = Desk("q"), Jobs()
    desk.begin([row(1, "keep_last", arguments=None)], [], NOW)
    new = row(2, "keep_last")
    one = unique("keep_last")
    assert desk.add_unique(new, one, desk.judge(one, new.id, NOW, NOW), NOW, writes) == row(1).id
    assert writes == Jobs(back={row(1).id: BackRow(row(1).id, NOW, 0, 0, None, b"2")})
    (job,) = desk.take("w", 1, None, NOW, writes)[1]
    assert job.arguments == b"2" and desk.jobs.arguments_bytes == 1


HOUR_MS = 3_600_000
WAIT_MS = int(TTL_S * 1000)


def debounced(ahead_ms: int, **fields: Any) -> JobRow:
    """As somebody has said it just now, whose clock is ahead by so much."""
    wait_ms = fields.pop("wait_ms", WAIT_MS)
    at_ms = NOW + ahead_ms
    due_ms = at_ms + (wait_ms or WAIT_MS)
    waits = {"wait_ms": wait_ms, "wait_until_ms": due_ms} if wait_ms else {}
    options = Options(unique=unique(fields.pop("mode", "debounce")), **waits).encode()
    row = JobRow("1" * 32, "media", "job.x", b"{}", at_ms, due_ms, options=options, unique_key="k")
    return msgspec.structs.replace(row, **fields)


def due_of(row: JobRow, how: str) -> tuple[int, int]:
    """When it is due, by its next owner's clock, and what is stored of that from then on."""
    desk, writes = Desk("media"), Jobs()
    if how == "loaded":
        desk.load([row], NOW)
    else:
        desk.found([row], NOW, writes)
    desk.write_nearer(writes)
    job = desk.jobs[row.id]
    assert not desk.nearer and (job.id not in writes.back or writes.back[job.id].due_ms == job.due_ms)
    return job.due_ms - NOW, (writes.back[job.id].due_ms if job.id in writes.back else row.due_ms) - NOW


@pytest.mark.parametrize("how", ["loaded", "found"])
def test_what_is_debounced_waits_no_longer_than_was_said_whatever_clock_has_said_it(how: str) -> None:
    assert due_of(debounced(HOUR_MS), how) == (WAIT_MS, WAIT_MS)
    assert due_of(debounced(HOUR_MS, wait_ms=2 * WAIT_MS), how) == (2 * WAIT_MS, 2 * WAIT_MS), "it was to be delayed"
    assert due_of(debounced(-5_000), how) == (WAIT_MS - 5_000, WAIT_MS - 5_000), "it has waited for a part"


def test_of_one_that_sql_has_added_it_is_known_too() -> None:
    of_sql = debounced(HOUR_MS, wait_ms=0, is_of_others=True)
    assert due_of(of_sql, "found") == (WAIT_MS, WAIT_MS)
    assert due_of(debounced(HOUR_MS, wait_ms=0), "loaded")[0] == HOUR_MS + WAIT_MS, "the release before does not say"


@pytest.mark.parametrize("wait_ms", [0, WAIT_MS])
def test_the_next_owner_after_has_it_wait_no_longer_and_no_shorter(wait_ms: int) -> None:
    """What is stored of one that was put nearer says how long it waits, by the clock that has put it there."""
    row, writes, desk = debounced(HOUR_MS, wait_ms=wait_ms, is_of_others=True), Jobs(), Desk("media")
    desk.found([row], NOW, writes)
    desk.write_nearer(writes)
    back = writes.back[row.id]
    row = msgspec.structs.replace(row, due_ms=back.due_ms, options=back.options or row.options)
    assert due_of(row, "found") == (WAIT_MS, WAIT_MS)
    later = Desk("media")
    later.found([row], NOW - HOUR_MS, Jobs())
    assert later.jobs[row.id].due_ms == NOW - HOUR_MS + WAIT_MS, "by a clock that is behind that one"


def test_what_the_release_before_has_edited_is_due_when_that_says() -> None:
    """It writes `due_ms` alone."""
    assert due_of(debounced(0, due_ms=NOW + HOUR_MS), "loaded") == (HOUR_MS, HOUR_MS)
    assert due_of(debounced(0, due_ms=NOW + HOUR_MS, is_of_others=True), "found") == (HOUR_MS, HOUR_MS)


def test_what_is_to_be_tried_again_or_is_not_debounced_is_due_when_that_was_said() -> None:
    assert due_of(debounced(HOUR_MS, let_go=1), "loaded")[0] == HOUR_MS + WAIT_MS
    assert due_of(debounced(HOUR_MS, mode="keep_last"), "loaded")[0] == HOUR_MS + WAIT_MS


def test_the_last_that_comes_and_who_edits_it_say_for_how_long() -> None:
    kit = queue()
    id = add(kit, "debounce", delay_s=60.0).id
    desk = kit.actor.desk

    def stored() -> int:
        options = desk.jobs[id].options
        assert options is not None
        return options.wait_ms

    assert stored() == 60_000
    kit.advance(5.0)
    add(kit, "debounce", 2)
    assert stored() == WAIT_MS and desk.jobs[id].due_ms == int(kit.now * 1000) + WAIT_MS
    kit.ask(EditJob(id=id, delay_s=90.0))
    assert stored() == 90_000
