"""A job as it is stored: what its class says, and what whoever starts it says."""

import json
from typing import Any

import pytest
from msgspec import Struct

from greenroom import Actor, Ask, Done, Event, Job, Refused, Retry, Unique, WaitFor
from greenroom.actors.jobs.installed import InstalledJob
from greenroom.actors.jobs.options import ARGUMENTS_MAX, decode_options
from greenroom.actors.jobs.waits import Awaited, Waits
from greenroom.actors.model.effects import StartJob
from greenroom.actors.model.kinds import BadEntityClass
from greenroom.testing import Kit

NOW = 1_750_000_000_000


class Cut(Job, queue="media", tag="job.cut"):
    video: str
    height: int = 720
    retry = Retry(attempts=3)
    priority = 2
    partition = "video"

    async def run(self, work: Any) -> None:
        """Nothing."""


class Tidy(Job, queue="media", tag="job.tidy"):
    unique = Unique(mode="debounce", ttl_s=60.0)

    async def run(self, work: Any) -> None:
        """Nothing."""


def test_what_is_not_said_is_as_the_class_says() -> None:
    row = Cut(video="a").to_row(now_ms=NOW)
    assert json.loads(row.arguments or b"") == {"video": "a", "height": 720}
    assert (row.queue, row.job, row.added_ms, row.due_ms) == ("media", "job.cut", NOW, NOW)
    assert (row.priority, row.partition, row.attempts_max, row.options, row.unique_key) == (2, "a", 3, None, None)
    assert InstalledJob(Cut).decode(row.arguments or b"") == Cut(video="a")


def test_what_is_said_goes_before() -> None:
    row = Cut(video="a").to_row(
        now_ms=NOW, origin="film:a", about="hd", delay_s=1.5, priority=9, partition="p", attempts=1
    )
    assert (row.due_ms, row.priority, row.partition, row.attempts_max) == (NOW + 1_500, 9, "p", 1)
    options = decode_options(row.options)
    assert options is not None and (options.origin, options.about) == ("film:a", "hd")


def test_who_does_not_want_to_hear_is_not_kept() -> None:
    assert Cut(video="a").to_row(now_ms=NOW, origin="film:a").options is None


def test_one_that_waits_for_quiet_is_due_then() -> None:
    assert Tidy().to_row(now_ms=NOW).due_ms == NOW + 60_000
    row = Tidy().to_row(now_ms=NOW, delay_s=90.0)
    assert row.due_ms == NOW + 90_000 and row.unique_key is not None


@pytest.mark.parametrize(
    "said", [{"delay_s": -1.0}, {"priority": 10}, {"partition": "x" * 256}, {"attempts": 0}, {"about": "x" * 1_001}]
)
def test_what_is_out_of_bounds_is_refused(said: dict[str, Any]) -> None:
    with pytest.raises(Refused, match=next(iter(said))):
        Cut(video="a").to_row(now_ms=NOW, origin="film:a", **said)


@pytest.mark.parametrize("text", ["a\0", "a\n", "\ud800"])
def test_what_no_database_stores_is_refused_wherever_it_comes_from(text: str) -> None:
    with pytest.raises(Refused, match=r"job\.out_of_bounds"):
        Cut(video="a").to_row(now_ms=NOW, origin="film:a", partition=text)
    with pytest.raises(Refused, match=r"job\.out_of_bounds"):
        Cut(video=text).to_row(now_ms=NOW, origin="film:a")


@pytest.mark.parametrize(("video", "about"), [("\ud800", ""), ("a", "\ud800")])
def test_half_a_pair_is_refused(video: str, about: str) -> None:
    with pytest.raises(Refused, match=r"job\.out_of_bounds"):
        Cut(video=video).to_row(now_ms=NOW, origin="film:a", about=about)


def test_arguments_that_are_too_long_are_refused() -> None:
    with pytest.raises(Refused, match="more than"):
        Cut(video="x" * ARGUMENTS_MAX).to_row(now_ms=NOW)


def test_a_class_whose_key_is_made_of_what_it_has_not_is_refused() -> None:
    class Wrong(Job, queue="media", tag="job.wrong"):
        unique = Unique("nothing")

        async def run(self, work: Any) -> None:
            """Nothing."""

    with pytest.raises(BadEntityClass, match="`unique` names 'nothing'"):
        InstalledJob(Wrong)


# Started by an entity.


class Start(Ask[Done], tag="film.start"):
    fails: bool = False


class Started(Event, tag="film.started"):
    id: str


class FilmState(Struct):
    """Nothing."""


class Film(Actor[FilmState]):
    kind = "film"
    commands = (Start,)
    events = (Started,)

    def handle(self, message: Start) -> None:
        started = self.start_job(Cut(video=self.key), about="hd", delay_s=5.0)
        if message.fails:
            raise Refused("film.no", "not now")
        self.record(Started(id=started))

    def apply(self, event: Started) -> None:
        """Nothing."""

    def view(self) -> Any:
        return {}


class Passing(Actor[FilmState]):
    kind = "passing"
    durable = False


def test_the_kit_shows_what_an_entity_has_started() -> None:
    kit = Kit(Film, key="alien")
    kit.ask(Start(), user="ann")
    (started,) = kit.started
    assert (started.job, started.about) == (Cut(video="alien"), "hd")
    assert (started.id, started.row.due_ms - started.row.added_ms) == (kit.events[0].id, 5_000)  # type: ignore[attr-defined]


def test_nothing_is_started_by_a_message_that_is_refused() -> None:
    kit = Kit(Film)
    with pytest.raises(Refused):
        kit.ask(Start(fails=True), user="ann")
    assert kit.started == []


def test_one_that_waits_names_the_jobs_that_were_started_beside_it_with_their_queue() -> None:
    kit = Kit(Film)
    first = kit.actor.start_job(Cut(video="a"))
    kit.actor.start_job(Cut(video="b"), after=[WaitFor(first, "ignore")], children=["f" * 32], when="ended")
    started = list(kit.actor.effects.others)[-1]
    assert isinstance(started, StartJob)
    options = decode_options(started.row.options)
    assert options is not None and options.waits == Waits(
        [Awaited(first, "ignore", False, "media"), Awaited("f" * 32, "fail", True)], "ended"
    )


def test_one_that_is_one_with_others_waits_for_none() -> None:
    class One(Job, queue="media", tag="job.one"):
        unique = Unique()

        async def run(self, work: Any) -> None:
            """Nothing."""

    with pytest.raises(Refused, match=r"job\.unique_waits"):
        One().to_row(now_ms=1, after=["f" * 32])


def test_an_entity_without_a_journal_starts_nothing() -> None:
    kit = Kit(Passing)
    with pytest.raises(TypeError, match="no journal"):
        kit.actor.start_job(Cut(video="a"))
