"""Classes of jobs, installed: the queues that they declare, and the keys by which they take turns."""

from typing import Any

import pytest

from greenroom import Job, JobLimits, Queue, Refused, Retry, Secret, Work
from greenroom.actors.jobs.installed import Jobs
from greenroom.actors.model.errors import InvalidCommand
from greenroom.actors.model.kinds import BadEntityClass
from greenroom.store.jobs.sealing import ARGUMENTS, Place, keys_for, seal


def a_class(queue: Any, tag: str = "job.a", **names: Any) -> type[Job]:
    class Some(Job, queue=queue, tag=tag):
        name: str = "x"
        number: int = 1
        partition = names.get("partition", "")

        async def run(self, work: Work) -> None: ...

    return Some


def test_a_queue_is_declared_by_the_classes_that_go_into_it() -> None:
    media = Queue("media", concurrency=2)
    jobs = Jobs([a_class(media), a_class(media, "job.b"), a_class("media", "job.c"), a_class("mail", "job.d")])
    assert jobs.limits_of("media") == media and jobs.limits_of("mail") is None
    assert jobs.of_queue("media") == {"job.a", "job.b", "job.c"}


def test_what_is_encrypted_opens_for_its_job_alone_and_not_where_there_is_none_yet() -> None:
    installed = Jobs([a_class("q")]).get("job.a")
    assert installed is not None
    with keys_for(bytes(32)):
        stored = seal(b'{"name":"secret"}', Place("job.a", "b" * 32, ARGUMENTS))
        assert getattr(installed.decode(stored, "b" * 32), "name") == "secret"  # noqa: B009 - of a class made here
        for other in ("", "c" * 32):
            with pytest.raises(InvalidCommand) as caught:
                installed.decode(stored, other)
            assert "secret" not in str(caught.value)


def test_two_that_differ_are_refused() -> None:
    with pytest.raises(BadEntityClass, match="declared twice"):
        Jobs([a_class(Queue("media", concurrency=2)), a_class(Queue("media", concurrency=3), "job.b")])


def test_what_is_no_limit_is_refused() -> None:
    with pytest.raises(BadEntityClass, match=r"its queue 'media'.*concurrency"):
        Jobs([a_class(Queue("media", concurrency=0))])


@pytest.mark.parametrize("wrong", [{"queue": "a\0"}, {"queue": "x" * 256}, {"queue": "q", "tag": "job.a\n"}], ids=repr)
def test_names_that_can_not_be_stored_are_refused(wrong: dict[str, str]) -> None:
    with pytest.raises(BadEntityClass, match=r"queue=|tag="):
        Jobs([a_class(**wrong)])


@pytest.mark.parametrize("text", [r"a\u0000", r"\n"])
def test_a_key_that_can_not_be_stored_is_refused(text: str) -> None:
    (one,) = Jobs([a_class("media", partition="name")])
    with pytest.raises(Refused, match="`name` has control characters"):
        one.key_of(f'{{"name":"{text}"}}'.encode())


@pytest.mark.parametrize(
    ("partition", "arguments", "key"),
    [
        ("name", b'{"name":"ann","number":2}', "ann"),
        ("name", b"{}", "x"),
        ("number", b'{"number":2}', "2"),
        ("number", b"no JSON", ""),
        ("", b'{"name":"ann"}', ""),
    ],
)
def test_the_key_of_a_job(partition: str, arguments: bytes, key: str) -> None:
    (one,) = Jobs([a_class("media", partition=partition)])
    assert one.key_of(arguments) == key


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"retry": Retry(attempts=0)}, "`retry`.*attempts"),
        ({"retry": Retry(first_s="2")}, "`retry`.*first_s"),  # type: ignore[arg-type]
        ({"limits": JobLimits(timeout_s="30")}, "`limits`.*timeout_s"),  # type: ignore[arg-type]
        ({"limits": JobLimits(grace_s=-1.0)}, "`limits`.*grace_s"),
        ({"limits": JobLimits(timeout_s=float("nan"))}, "`limits`.*timeout_s"),
        ({"limits": {"timeout_s": 3}}, "must be JobLimits"),
    ],
    ids=str,
)
def test_what_a_class_says_of_its_attempts_is_looked_at_once(fields: dict[str, Any], says: str) -> None:
    job = a_class("media")
    for name, value in fields.items():
        setattr(job, name, value)
    with pytest.raises(BadEntityClass, match=says):
        Jobs([job])


def test_a_secret_is_no_key() -> None:
    class Charged(Job, queue="q", tag="job.charged"):
        card: Secret[str] = ""
        partition = "card"

        async def run(self, work: Work) -> None:
            pass

    with pytest.raises(BadEntityClass, match="`partition` names 'card', which is Secret"):
        Jobs([Charged])


@pytest.mark.bound("jobs that one call of `run_many` works on")
@pytest.mark.parametrize("chunk", [0, 1, 1_001])
def test_a_call_works_on_so_many(chunk: int) -> None:
    class Some(Job, queue="q", tag="job.some", chunk=chunk):
        @classmethod
        async def run_many(cls, jobs: Any, works: Any) -> Any: ...

    with pytest.raises(BadEntityClass, match=r"`chunk`.*most"):
        Jobs([Some])


def test_with_a_chunk_it_says_how_they_are_done_together() -> None:
    class Some(Job, queue="q", tag="job.some", chunk=2):
        async def run(self, work: Work) -> None: ...

    with pytest.raises(BadEntityClass, match="needs `async def run_many"):
        Jobs([Some])
