"""What has ended of all that a job waits for may be dropped one day: it goes on nevertheless."""

import pytest

from greenroom.actors.jobs.options import decode_options
from greenroom.actors.jobs.queue.flows import flowing
from greenroom.actors.jobs.queue.flows.flowing import STORED_MS
from greenroom.actors.jobs.waits import Awaited, WaitFor
from tests.actors.jobs.queue.flows.flow_world import FAILS, ONE, World, job


def done(one: World, key: str, job_id: str, **how: object) -> None:
    life = one.lives[key]
    life.look()
    life.take(10)
    life.commit()
    life.finish(job_id, dict(one.held(key))[job_id], **how)
    life.commit()
    while any(one.deliver(key) for key in one.lives):
        pass


def waiting(when: str = "") -> tuple[World, dict[str, str]]:
    one = World(["a", "b"])
    after = [WaitFor("here"), WaitFor("there"), WaitFor("long")]
    ids = one.add("a", job("here"), job("there", queue="b"), job("long"), job("p", after=after, when=when))
    for life in one.lives.values():
        life.commit()
    done(one, "b", ids["there"], **ONE)
    one.wait(1)
    done(one, "a", ids["here"], **ONE)
    return one, ids


def stored(one: World, job_id: str) -> list[Awaited]:
    options = decode_options(one.store.rows.jobs[job_id].options)
    assert options is not None and options.waits is not None
    return options.waits.jobs


def test_what_is_settled_is_written_down_once_after_a_while() -> None:
    one, ids = waiting()
    assert not any(awaited.is_settled for awaited in stored(one, ids["p"]))
    one.wait(STORED_MS)
    one.lives["a"].commit()
    assert [awaited.is_settled for awaited in stored(one, ids["p"])] == [True, True, False]
    assert not list(one.lives["a"].desk.blocked.unstored())


@pytest.mark.parametrize("when", ["", "failure", "success"])
def test_it_goes_on_in_the_next_life_without_what_was_dropped(when: str) -> None:
    one, ids = waiting(when)
    one.wait(STORED_MS)
    one.lives["a"].commit()
    for name in ("here", "there"):
        del one.store.rows.done[ids[name]]
    one.lose("a")
    one.run_out({ids["long"]: FAILS} if when == "failure" else {})
    assert one.state(ids["p"]) == "completed"


@pytest.mark.bound("jobs that wait, of which one message writes down what is settled")
def test_only_so_many_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flowing, "STORED_AT_ONCE", 1)
    one, ids = waiting()
    more = one.add("a", job("q", after=[WaitFor(ids["here"]), WaitFor(ids["long"])]))
    one.lives["a"].commit()
    one.wait(STORED_MS)
    one.lives["a"].commit()
    assert [any(awaited.is_settled for awaited in stored(one, job_id)) for job_id in (ids["p"], more["q"])] == [
        True, False,
    ]  # fmt: skip
    one.wait(1)
    one.lives["a"].commit()
    assert any(awaited.is_settled for awaited in stored(one, more["q"]))
