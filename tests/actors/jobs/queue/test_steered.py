"""A queue as a whole, in the kit: paused, limited, asked why; and what a life after a crash knows of it."""

from typing import Any

import pytest
from msgspec import Raw

from greenroom import Job, JobLimits, Rate, Refused, Retry, Work
from greenroom.actors.jobs.installed import Jobs
from greenroom.actors.jobs.limits import JobQueue
from greenroom.actors.jobs.queue import Queue, queue_of
from greenroom.actors.jobs.queue.control import Limit, Pause, Resume, Why
from greenroom.actors.jobs.queue.messages import Add, Complete, Finished, Take
from greenroom.actors.jobs.queue.steered import METERED_AHEAD_MS
from greenroom.store.journal.consequences.jobs import Jobs as JobWrites
from greenroom.testing import Kit

MEDIA = JobQueue("media", concurrency=2, tiers={"big": 1})


class Encode(Job, queue=MEDIA, tag="job.encode"):
    video: str
    retry = Retry(attempts=7)
    partition = "video"
    priority = 2

    async def run(self, work: Work) -> None: ...


def queue(*jobs: type[Job]) -> Kit[Queue]:
    return Kit(queue_of(Jobs(jobs)), key="media")


def add(kit: Kit[Queue], *keys: str, **fields: Any) -> list[str]:
    return [kit.ask(Add(job="job.x", partition=key, **fields)).id for key in keys]


def take(kit: Kit[Queue], most: int = 10, **fields: Any) -> list[str]:
    return [job.id for job in kit.ask(Take(worker="w", most=most, **fields)).jobs]


def test_a_paused_queue_hands_nothing_out_until_it_is_resumed() -> None:
    kit = queue()
    kit.ask(Pause(reason="deploy"))
    waiting = kit.ask_later(Take(worker="w", wait_s=30.0))
    ids = add(kit, "")
    assert not waiting.is_answered and take(kit) == []
    assert (kit.view()["paused"], kit.view()["paused_reason"]) == (True, "deploy")
    kit.restart()
    assert kit.view()["paused"]
    kit = queue()
    kit.ask(Pause())
    ids = add(kit, "")
    waiting = kit.ask_later(Take(worker="w", wait_s=30.0))
    kit.ask(Resume())
    assert [job.id for job in waiting.reply.jobs] == ids
    assert [event["type"] for event in kit.publications] == ["queue.paused", "queue.resumed"]


@pytest.mark.parametrize("role", ["viewer", "service", "admin"])
def test_staff_alone_may_watch(role: str) -> None:
    kit = queue()
    for who in ({"user": ""}, {"user": "ann"}, {"user": "ann", "roles": (role,)}):
        if who.get("roles") in (("service",), ("admin",)):
            assert kit.watch(**who)["unfinished"] == 0
        else:
            with pytest.raises(Refused, match="only the roles service and admin watch queues"):
                kit.watch(**who)


def test_who_is_not_paused_has_nothing_to_resume() -> None:
    kit = queue()
    kit.ask(Resume())
    assert not kit.events


def test_a_pause_that_has_an_end_ends_by_itself() -> None:
    kit = queue()
    kit.ask(Pause(until_ms=int(kit.now * 1000) + 60_000))
    ids = add(kit, "")
    waiting = kit.ask_later(Take(worker="w", wait_s=30.0))
    kit.advance(29.0)
    assert not waiting.is_answered
    kit.advance(2.0)
    waiting = kit.ask_later(Take(worker="w", wait_s=30.0))
    kit.advance(28.9)
    assert not waiting.is_answered
    kit.advance(0.2)
    assert [job.id for job in waiting.reply.jobs] == ids
    assert not kit.state.paused and kit.publications[-1]["type"] == "queue.resumed"


def test_whoever_watches_sees_that_a_pause_is_over_also_where_no_worker_waits() -> None:
    kit = queue()
    kit.ask(Pause(until_ms=int(kit.now * 1000) + 60_000))
    kit.advance(60.1)
    assert kit.publications[-1]["type"] == "queue.resumed"


def test_a_pause_is_over_at_its_time_also_where_nobody_woke_to_say_so() -> None:
    kit = queue()
    kit.ask(Pause(until_ms=int(kit.now * 1000) + 60_000))
    kit.restart()
    kit.miss(61.0)
    ids = add(kit, "")
    assert take(kit) == ids
    assert not kit.view()["paused"]


def test_a_job_that_asks_for_it_has_the_queue_pause_and_was_no_attempt() -> None:
    kit = queue()
    first, second = add(kit, "", "")
    taken = kit.ask(Take(worker="w"))
    rests = Finished(first, taken.token, refund=True, pause_s=30.0, pause_reason="429")
    waiting = kit.ask_later(Take(worker="w", most=2, wait_s=30.0, finished=[rests]))
    assert not waiting.is_answered and kit.view()["paused_reason"] == "429"
    kit.advance(29.9)
    assert not waiting.is_answered
    kit.advance(0.2)
    assert [(job.id, job.attempt) for job in waiting.reply.jobs] == [(first, 1), (second, 1)], "in its place"


@pytest.mark.parametrize(("staff_s", "until_s"), [(None, None), (100.0, 100.0), (10.0, 30.0)])
def test_a_job_never_shortens_a_pause(staff_s: float | None, until_s: float | None) -> None:
    kit = queue()
    (one,) = add(kit, "")
    taken = kit.ask(Take(worker="w"))
    begun = kit.now
    kit.ask(Pause(until_ms=int((begun + staff_s) * 1000) if staff_s is not None else None))
    kit.ask(Take(worker="w", most=0, finished=[Finished(one, taken.token, refund=True, pause_s=30.0)]))
    assert kit.state.paused_until_ms == (int((begun + until_s) * 1000) if until_s is not None else None)


@pytest.mark.parametrize("seconds", [float("inf"), float("nan"), -1.0, 1e300])
def test_whatever_a_job_says_of_time_the_queue_lives(seconds: float) -> None:
    kit = queue()
    one, other = add(kit, "", "")
    taken = kit.ask(Take(worker="w", most=2))
    finished = [
        Finished(one, taken.token, refund=True, retry_s=seconds),
        Finished(other, taken.token, refund=True, pause_s=seconds),
    ]
    # Not through JSON, which has no such numbers: a worker of this process says it as it is.
    kit.actor.desk.finish("w", finished, int(kit.now * 1000), JobWrites())


def test_limits_hold_at_once_and_are_taken_back_one_by_one() -> None:
    kit = queue()
    ids = add(kit, "a", "a", "a", "b")
    kit.ask(Limit(per_key=1))
    assert take(kit) == [ids[0], ids[3]]
    kit.ask(Limit(concurrency=3, tiers={"a": 2}))
    assert take(kit) == [ids[1]]
    kit.ask(Limit(tiers={"a": 3}))
    assert take(kit) == [], "three are under way"
    kit.ask(Limit(concurrency=None))
    assert take(kit) == [ids[2]]
    assert kit.view()["limits"] == {"per_key": 1, "tiers": {"a": 3}}
    kit.ask(Limit(tiers={"a": None}, per_key=None))
    assert kit.view()["limits"] == {}
    kit.ask(Limit(weights={"a": 3}))
    kit.ask(Limit(weights=None))
    events = len(kit.events)
    kit.ask(Limit(weights=None))
    assert kit.view()["limits"] == {} and len(kit.events) == events


def test_whoever_waits_has_what_a_wider_limit_lets_go() -> None:
    kit = queue()
    kit.ask(Limit(concurrency=1))
    ids = add(kit, "", "")
    take(kit)
    waiting = kit.ask_later(Take(worker="v", wait_s=30.0))
    assert not waiting.is_answered
    kit.ask(Limit(concurrency=2))
    assert [job.id for job in waiting.reply.jobs] == ids[1:]


def test_whoever_waits_has_the_next_when_a_token_comes() -> None:
    kit = queue()
    kit.ask(Limit(rate=Rate(1, per_s=5.2)))
    ids = add(kit, "", "")
    assert take(kit) == ids[:1]
    waiting = kit.ask_later(Take(worker="v", wait_s=30.0))
    kit.advance(5.1)
    assert not waiting.is_answered
    kit.advance(0.2)
    assert [job.id for job in waiting.reply.jobs] == ids[1:]


def test_what_the_code_declares_holds_where_staff_says_nothing_else() -> None:
    kit = queue(Encode)
    ids = add(kit, "big", "big", "small", "small", "small")
    assert take(kit) == [ids[0], ids[2]]
    kit.ask(Limit(concurrency=3))
    assert take(kit) == [ids[3]]
    kit.ask(Limit(concurrency=None))
    assert kit.view()["limits"] == {"concurrency": 2, "tiers": {"big": 1}}


def test_what_is_not_said_of_a_job_is_as_its_class_says() -> None:
    kit = queue(Encode)
    kit.ask(Add(job="job.encode", arguments=Raw(b'{"video":"x"}')))
    kit.ask(Add(job="job.encode", arguments=Raw(b'{"video":"x"}'), partition="y", priority=9, attempts=1))
    kit.ask(Add(job="job.unknown", arguments=Raw(b'{"video":"x"}')))
    jobs = list(kit.actor.desk.jobs.values())
    assert [(job.partition, job.priority, job.attempts_max) for job in jobs] == [("x", 2, 7), ("y", 9, 1), ("", 4, 5)]
    with pytest.raises(Refused, match="`video` has more"):
        kit.ask(Add(job="job.encode", arguments=Raw(b'{"video":"' + b"x" * 256 + b'"}')))


def test_tokens_that_are_spent_stay_spent_when_the_life_is_lost() -> None:
    kit = queue()
    kit.ask(Limit(rate=Rate(1, per_s=10.0), per_key_rate=Rate(1, per_s=10.0)))
    (_, other) = add(kit, "a", "b")
    assert len(take(kit)) == 1
    kit.restart()
    (again,) = add(kit, "c")
    assert take(kit) == []
    kit.advance(10.0 + METERED_AHEAD_MS / 1000)
    assert take(kit) == [again] != [other]
    assert all(event["type"] != "queue.metered" for event in kit.publications)


def test_what_a_heavy_job_owes_is_owed_by_the_next_life() -> None:
    kit = queue()
    kit.ask(Limit(rate=Rate(1, per_s=1.0)))
    add(kit, "", weight=100)
    assert len(take(kit)) == 1
    kit.restart()
    add(kit, "")
    kit.advance(98.0)
    assert take(kit) == []
    kit.advance(2.0 + METERED_AHEAD_MS / 1000)
    assert len(take(kit)) == 1


def test_where_the_clock_was_set_back_no_more_is_owed_than_was() -> None:
    kit = queue()
    kit.ask(Limit(rate=Rate(1, per_s=1.0)))
    add(kit, "")
    assert len(take(kit)) == 1
    kit._world.now_s -= 3_600.0
    kit.restart()
    add(kit, "")
    assert take(kit) == []
    kit.advance(1.0)
    assert len(take(kit)) == 1


def test_tokens_are_written_down_seldom() -> None:
    kit = queue()
    kit.ask(Limit(rate=Rate(100, per_s=1.0, burst=100)))
    for _ in range(80):
        add(kit, "")
        assert len(take(kit)) == 1
    assert sum(type(event).__name__ == "Metered" for event in kit.events) == 1


@pytest.mark.bound("keys of which a queue's limits say something")
def test_too_many_keys_are_refused() -> None:
    kit = queue()
    kit.ask(Limit(weights={f"key {number}": 2 for number in range(1_000)}))
    with pytest.raises(Refused, match="of 1000 keys at most"):
        kit.ask(Limit(weights={"one more": 2}))
    kit.ask(Limit(weights={"key 0": None, "one more": 2}))


def test_why_a_job_waits() -> None:
    kit = queue()

    def why(job_id: str) -> str:
        return kit.ask(Why(id=job_id)).why

    first, second = add(kit, "a", "a")
    assert why(first) == "no worker is free for it"
    taken = kit.ask(Take(worker="w"))
    assert why(first) == "it is under way"
    kit.ask(Limit(per_key=1))
    assert why(second) == "the limit of its key 'a': 1 of 1 are under way"
    kit.ask(Pause(reason="deploy", until_ms=1_800_000_000_000))
    assert why(second) == "the queue is paused until 2027-01-15 08:00:00 UTC: deploy"
    kit.ask(Complete(worker="w", id=first, token=taken.token))
    with pytest.raises(Refused, match="it has ended, or there is none"):
        why(first)


def test_only_staff_steers() -> None:
    kit = queue()
    messages: list[Any] = [Pause(), Resume(), Limit(), Why(id="0" * 32)]
    for message in messages:
        with pytest.raises(Refused, match="only the roles"):
            kit.ask(message, user="ann")
    kit.ask(Pause(), user="svc", roles=("service",))
    assert kit.publications[-1]["by"] == "svc"
    with pytest.raises(Refused, match="in the past"):
        kit.ask(Pause(until_ms=int(kit.now * 1000)))


class Fresh(Job, queue="media", tag="job.fresh"):
    limits = JobLimits(expires_s=60.0, weight=2)

    async def run(self, work: Work) -> None: ...


def test_what_nobody_begins_in_time_is_never_handed_out() -> None:
    kit = queue(Fresh)
    kit.ask(Add(job="job.fresh"))
    kit.ask(Add(job="job.fresh", expires_s=5.0))
    [lasting] = add(kit, "")
    kit.advance(5.0)
    assert kit.view()["unfinished"] == 2
    kit.advance(54.999)
    assert kit.view()["unfinished"] == 2
    kit._world.now_s += 0.002  # before it has looked at the time
    assert take(kit) == [lasting]


def test_there_may_be_more_of_them_than_one_message_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("greenroom.actors.jobs.queue.desk.desk.EXPIRED_AT_ONCE", 1)
    kit = queue()
    add(kit, "", "", "", expires_s=5.0)
    kit._world.now_s += 10.0
    assert take(kit) == []
    kit.advance(0.1)
    assert kit.view()["unfinished"] == 0


def test_a_job_counts_by_its_weight() -> None:
    kit = queue(Encode, Fresh)  # two at once
    kit.ask(Add(job="job.fresh"))
    ids = add(kit, "", "")
    assert len(take(kit)) == 1 and kit.view()["load"] == 2 and kit.view()["active"] == 1
    assert "2 of 2 are under way" in kit.ask(Why(id=ids[0])).why
    [heavy] = add(kit, "", weight=7)
    assert "and it counts as 7" in kit.ask(Why(id=heavy)).why


@pytest.mark.parametrize("window", ["fixed", "sliding"])
@pytest.mark.parametrize("of", ["queue", "key"])
def test_a_life_that_is_lost_gives_nothing_of_a_window_back(window: Any, of: str) -> None:
    rate = Rate(40, per_s=3_600.0, window=window)
    kit = queue()
    kit.ask(Limit(rate=rate) if of == "queue" else Limit(per_key_rate=rate))
    add(kit, *["a"] * 60)
    assert len(take(kit, 10)) == 10
    kit.restart()  # without its jobs
    add(kit, *["a"] * 60)
    begun = len(take(kit, 50))
    assert 40 - 12 <= 10 + begun <= 40
    if of == "key":
        add(kit, *["b"] * 50)
        assert len(take(kit, 50)) == 40, "another key knows nothing of that"
    kit.restart()
    add(kit, "a")
    assert take(kit) == []
