"""The kit of jobs: what is enqueued, what comes of it, and what time does."""

from typing import Any, ClassVar

import pytest
import trio
from msgspec import Raw, Struct

from greenroom import Actor, Answered, Ask, Done, Event, Job, Message, Retry, Snooze, Undelivered, Unique, Work
from greenroom.actors.jobs.queue.single.steering import EditJob
from greenroom.store.jobs.jobs import Look, Seen
from greenroom.store.jobs.jobs_memory import look_at
from greenroom.store.journal.consequences.jobs import JobTables
from greenroom.supervisors.testing import jobs as kit_of_jobs
from greenroom.supervisors.testing import reads
from greenroom.testing import JobKit, Kit


class Transcode(Job, queue="media", tag="job.transcode"):
    video: str
    fails: int = 0
    takes_s: float = 0.0
    retry = Retry(attempts=3, first_s=10.0, max_s=600.0)

    async def run(self, work: Work) -> dict[str, str]:
        await trio.sleep(self.takes_s)
        if work.attempt <= self.fails:
            raise ValueError(f"attempt {work.attempt}")
        return {"url": f"/{self.video}"}


class Cut(Job, queue="media", tag="job.cut"):
    async def run(self, work: Work) -> Any:
        async def attempt() -> int:
            return work.attempt

        first = await work.step("first", attempt)
        if work.attempt == 1:
            raise ValueError("once more")
        return first


class Poll(Job, queue="media", tag="job.poll"):
    async def run(self, work: Work) -> None:
        raise Snooze(60)


class Digest(Job, queue="mail", tag="job.digest"):
    user: str
    number: int = 0
    unique = Unique("user")

    def run(self, work: Any) -> Any:
        return self.number


class Upload(Ask[Done], tag="film.upload"):
    video: str
    fails: int = 0


class Ready(Event, tag="film.ready"):
    url: str


class Failed(Event, tag="film.failed"):
    why: str


class FilmState(Struct):
    urls: list[str] = []


class Film(Actor[FilmState]):
    kind = "film"
    commands: ClassVar[tuple[type[Message], ...]] = (Upload,)
    events: ClassVar[tuple[type[Event], ...]] = (Ready, Failed)

    def handle(self, message: Any) -> Any:
        match message:
            case Upload():
                self.start_job(Transcode(video=message.video, fails=message.fails), about="hd")
            case Answered():
                self.record(Ready(url=message.decode(dict[str, str])["url"]))
            case Undelivered():
                self.record(Failed(why=f"{message.name}: {message.detail}"))
        return Done()

    def apply(self, event: Event) -> None:
        if isinstance(event, Ready):
            self.state.urls.append(event.url)

    def view(self) -> Any:
        return self.state.urls


class Publish(Job, queue="site", tag="job.publish"):
    async def run(self, work: Work) -> Any:
        return [child.result for child in await work.children()]


class Count(Job, queue="site", tag="job.count"):
    def run(self, work: Any) -> Any:
        return len(work.children())


class Put(Event, tag="site.put"):
    urls: list[str]


class Lost(Event, tag="site.lost"):
    why: str


class Open(Ask[Done], tag="site.open"):
    fails: int = 0


class Site(Film):
    """Publishes what is transcoded, and counts it."""

    kind = "site"
    commands = (Open,)
    events = (Put, Lost)

    def handle(self, message: Any) -> Any:
        match message:
            case Open():
                both = [self.start_job(Transcode(video="a", fails=message.fails)), self.start_job(Transcode(video="b"))]
                self.start_job(Publish(), children=both, about="published")
                self.start_job(Count(), children=both)
            case Answered():
                self.record(Put(urls=[one["url"] for one in message.decode(list[dict[str, str]])]))
            case Undelivered():
                self.record(Lost(why=message.name))
        return Done()

    def apply(self, event: Event) -> None:
        if isinstance(event, Put):
            self.state.urls = event.urls


class Series(Film):
    """Wants another one when it has one, up to three."""

    def handle(self, message: Any) -> Any:
        if isinstance(message, Answered) and len(self.state.urls) < 2:
            self.start_job(Transcode(video=message.decode(dict[str, str])["url"][1:] + "+"), about="hd")
        return super().handle(message)


def a_film(*, inline: bool = False) -> tuple[JobKit, Kit[Film]]:
    jobs = JobKit(Transcode, Poll, Digest, inline=inline)
    return jobs, Kit(Film, key="alien", jobs=jobs)


def test_what_an_entity_starts_is_run_and_it_hears_of_it() -> None:
    jobs, film = a_film()
    film.ask(Upload(video="a"), user="ann")
    assert jobs.assert_enqueued(Transcode, video="a").state == "waiting" and film.view() == []
    (outcome,) = jobs.drain("media")
    assert (outcome.job, outcome.state, outcome.result) == (Transcode(video="a"), "completed", {"url": "/a"})
    assert film.view() == ["/a"]
    jobs.refute_enqueued(Transcode)
    film.restart()


def test_it_hears_of_a_failure_too_when_all_attempts_are_used_up() -> None:
    jobs, film = a_film()
    film.ask(Upload(video="a", fails=9), user="ann")
    (outcome,) = jobs.drain("media")
    assert (outcome.state, outcome.begun) == ("failed", 3)
    assert outcome.errors == [f"ValueError('attempt {number}')" for number in (1, 2, 3)]
    assert len(outcome.traces) == 3 and 'raise ValueError(f"attempt' in outcome.traces[0]
    assert film.events[-1] == Failed(why="job.failed: ValueError('attempt 3')")


def test_time_passes_where_a_job_takes_some_or_rests_and_nowhere_else() -> None:
    jobs = JobKit(Transcode, now=1_000.0)
    jobs.add(Transcode(video="a", fails=2, takes_s=100.0))
    (outcome,) = jobs.drain("media")
    assert outcome.begun == 3, "one that takes longer than a lease is nobody else's"
    assert outcome.ended_s == jobs.now == 1_000.0 + 100 + 10 + 100 + 20 + 100


def test_what_is_due_later_stays_where_only_so_much_time_is_given() -> None:
    jobs = JobKit(Transcode)
    jobs.add(Transcode(video="a", fails=1))
    jobs.add(Transcode(video="b"), delay_s=60)
    assert jobs.drain("media", within_s=0) == []
    retrying, delayed = jobs.enqueued("media")
    assert (retrying.state, retrying.delay_s, retrying.attempts) == ("retrying", 10.0, 1)
    assert (delayed.state, delayed.delay_s) == ("delayed", 60.0)
    assert [one.job for one in jobs.drain("media", within_s=10)] == [Transcode(video="a", fails=1)]
    jobs.advance(50)
    assert [one.job for one in jobs.drain("media", within_s=0)] == [Transcode(video="b")]


def test_what_is_not_enqueued_is_said_with_what_is() -> None:
    jobs = JobKit(Transcode, Digest)
    jobs.add(Transcode(video="a"))
    with pytest.raises(AssertionError, match=r"(?s)Transcode video='b' is not enqueued.*Transcode video='a' fails=0"):
        jobs.assert_enqueued(Transcode, video="b")
    with pytest.raises(AssertionError, match=r"Transcode is enqueued:\n  Transcode video='a'"):
        jobs.refute_enqueued(Transcode)
    jobs.refute_enqueued(Digest)
    with pytest.raises(TypeError, match="no field 'vidoe'"):
        jobs.refute_enqueued(Transcode, vidoe="a")


def test_a_day_is_over_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A queue does not look for jobs of others once in each second of it."""
    looks: list[str] = []

    def counted(tables: JobTables, queue: str, seen: Seen) -> Look:
        looks.append(queue)
        return look_at(tables, queue, seen)

    monkeypatch.setattr(reads, "look_at", counted)
    jobs = JobKit(Transcode)
    jobs.add(Transcode(video="a"), delay_s=86_400)
    began = jobs.now
    (outcome,) = jobs.drain("media")
    assert outcome.ended_s == began + 86_400 and len(looks) < 10


def test_inline_it_is_through_when_whoever_started_it_is_answered() -> None:
    jobs, film = a_film(inline=True)
    film.ask(Upload(video="a", fails=1), user="ann")
    assert film.view() == ["/a"] and jobs.outcomes[0].begun == 2


@pytest.mark.parametrize("inline", [False, True])
def test_what_is_started_by_who_hears_of_a_job_is_run_too(inline: bool) -> None:
    jobs = JobKit(Transcode, inline=inline)
    series = Kit(Series, jobs=jobs)
    series.ask(Upload(video="a"), user="ann")
    jobs.drain("media")
    assert [one.job for one in jobs.outcomes] == [Transcode(video="a"), Transcode(video="a+"), Transcode(video="a++")]


@pytest.mark.parametrize("fails", [0, 9])
def test_a_job_that_waits_for_others_is_run_after_them_with_what_they_came_to(fails: int) -> None:
    jobs = JobKit(Transcode, Publish, Count)
    site = Kit(Site, jobs=jobs)
    site.ask(Open(fails=fails), user="ann")
    assert jobs.assert_enqueued(Publish).state == "blocked"
    assert jobs.drain("site") == []
    jobs.drain("media")
    if fails:
        assert site.events == [Lost(why="job.failed")]
    else:
        (published, counted) = jobs.drain("site")
        assert published.result == [{"url": "/a"}, {"url": "/b"}] and counted.result == 2
        assert site.view() == ["/a", "/b"]


def test_queues_are_the_servers_own() -> None:
    """One key has one job; a paused queue hands nothing out; a cancelled one ends, an edited one runs as it is then."""
    jobs = JobKit(Transcode, Digest)
    jobs.add(Digest(user="ann", number=1))
    jobs.add(Digest(user="ann", number=2))
    assert [one.errors for one in jobs.outcomes if one.state == "cancelled"], "another is done in its place"
    assert [one.result for one in jobs.drain("mail")] == [1]

    job = jobs.add(Transcode(video="a"))
    other = jobs.add(Transcode(video="b"))
    jobs.pause("media")
    assert jobs.drain("media") == [] and len(jobs.enqueued()) == 2
    jobs.pause("media", 60)
    jobs.cancel(job)
    jobs.queue("media").ask(EditJob(id=other, arguments=Raw(b'{"video": "c"}')))
    began = jobs.now
    (outcome,) = jobs.drain("media")
    assert outcome.job == Transcode(video="c") and outcome.ended_s == began + 60
    assert [one.state for one in jobs.outcomes if one.id == job] == ["cancelled"]

    jobs.add(Transcode(video="d"))
    jobs.pause("media")
    jobs.resume("media")
    assert [one.job for one in jobs.drain("media")] == [Transcode(video="d")]


def test_a_step_is_done_once_for_all_attempts() -> None:
    jobs = JobKit(Cut)
    outcome = jobs.run(Cut())
    assert outcome.begun == 2 and outcome.result == 1
    assert jobs.queue("media").actor.desk.with_steps == {}, "they go when the job has ended"


def test_arguments_go_through_json_when_it_is_started() -> None:
    jobs = JobKit(Transcode)
    with pytest.raises(AssertionError, match=r"Expected `str`, got `int` - at `\$.video`"):
        jobs.add(Transcode(video=7))  # type: ignore[arg-type]
    assert jobs.enqueued() == []
    with pytest.raises(AssertionError, match=r"job\.digest is no job of this kit, which has Transcode"):
        jobs.add(Digest(user="ann"))


def test_an_entity_may_start_no_job_that_the_kit_does_not_know() -> None:
    with pytest.raises(AssertionError, match=r"job\.transcode is no job of this kit"):
        Kit(Film, jobs=JobKit(Digest)).ask(Upload(video="a"))


def test_long_arguments_are_read_when_the_job_is_taken() -> None:
    jobs = JobKit(Transcode)
    assert jobs.run(Transcode(video="x" * 10_000)).result == {"url": "/" + "x" * 10_000}


def test_one_that_never_ends_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kit_of_jobs, "ATTEMPTS_MAX", 20)
    jobs = JobKit(Poll)
    jobs.add(Poll())
    with pytest.raises(AssertionError, match="is not empty after 20 attempts"):
        jobs.drain("media")


def test_one_that_has_not_ended_is_a_failure_of_run() -> None:
    jobs = JobKit(Transcode)
    jobs.pause("media")
    with pytest.raises(AssertionError, match=r"has not ended: .*'paused': True"):
        jobs.run(Transcode(video="a"))


async def test_in_a_test_that_is_async_itself_too() -> None:
    jobs, film = a_film()
    film.ask(Upload(video="a"), user="ann")
    assert [one.state for one in jobs.drain("media")] == ["completed"] and film.view() == ["/a"]


class Pay(Job, queue="money", tag="job.pay", encrypted=True):
    account: str

    async def run(self, work: Work) -> str:
        return f"paid {self.account}"


def test_one_that_is_encrypted_runs_as_any_other() -> None:
    jobs = JobKit(Pay)
    jobs.add(Pay(account="acme"))
    assert jobs.assert_enqueued(Pay, account="acme").job == Pay(account="acme")
    assert jobs.run(Pay(account="acme")).result == "paid acme"
