"""What is said of a schedule is looked at before it is kept, and makes rows as adding the job does."""

from typing import Any

import msgspec
import pytest

from greenroom import Job, Secret, Work
from greenroom.actors.jobs.installed import Jobs
from greenroom.actors.jobs.schedule.messages import Set
from greenroom.actors.jobs.schedule.spec import ARGUMENTS_MAX, Scheduled, Spec, checked
from greenroom.actors.jobs.schedule.timing import Timing
from greenroom.actors.model.errors import Refused
from greenroom.store.jobs.sealing import ARGUMENTS, Place, keys_for, seal
from tests.actors.jobs.schedule.stage import JOBS, Report

DAILY = Timing(cron="0 3 * * *")


@pytest.mark.parametrize("field", ["job", "queue", "partition", "note", "cron", "tz", "tick_as", "arguments"])
def test_half_of_a_character_is_refused_by_name(field: str) -> None:
    """JSON can say so, and neither a database nor an answer can."""
    half = {"of": "\ud800"} if field == "arguments" else "\ud800"
    said: dict[str, Any] = {"job": "job.report", "cron": "0 3 * * *", field: half}
    with pytest.raises(Refused) as caught:
        checked(Set(**said).spec, JOBS)
    assert (caught.value.name, caught.value.status) == (f"schedule.{field}", 422)
    caught.value.detail.encode()


@pytest.mark.parametrize("job", ["job.report", "job.elsewhere"])
def test_arguments_that_are_encrypted_are_refused_whoever_they_were_for(job: str) -> None:
    """They open in their own job alone; a schedule's have none, and would be opened for whoever asks."""
    with keys_for(bytes(32)):
        copied = msgspec.json.decode(seal(b'{"of":"secret"}', Place(job, "b" * 32, ARGUMENTS)))
        spec = Spec(job=job, queue="mail", when=DAILY, arguments=copied)
        with pytest.raises(Refused) as caught:
            checked(spec, JOBS)
        assert (caught.value.name, caught.value.status) == ("schedule.arguments", 422)
        with pytest.raises(Refused, match="are encrypted"):  # of one that was set before
            Scheduled(spec, 5, JOBS.get(job)).to_row(now_ms=5, origin="schedule:n", about="run")


@pytest.mark.bound("bytes of a schedule's arguments")
def test_long_arguments() -> None:
    room = ARGUMENTS_MAX - len('{"of":""}')
    checked(Set(job="job.elsewhere", queue="q", every_s=60.0, arguments={"of": "x" * room}).spec, JOBS)
    with pytest.raises(Refused) as caught:
        checked(Set(job="job.elsewhere", queue="q", every_s=60.0, arguments={"of": "x" * (room + 1)}).spec, JOBS)
    assert (caught.value.name, caught.value.status) == ("schedule.arguments", 413)


def test_it_goes_into_the_queue_of_its_class() -> None:
    assert checked(Spec(job="job.report", queue="", when=DAILY), JOBS).queue == "mail"


@pytest.mark.parametrize(
    "wrong",
    [
        {"catch_up_s": 5},
        {"priority": 10},
        {"attempts": 0},
        {"overlap": "sometimes"},
        {"missed": "first"},
        {"jitter_s": -1},
        {"note": "a\x00b"},
        {"job": ""},
        {"cron": "x" * 300},
        {"once_ms": 2**62},
    ],
)
def test_what_is_out_of_bounds_is_refused_as_it_is_read(wrong: dict[str, Any]) -> None:
    body = msgspec.json.encode({"type": "schedule.set", "job": "job.report", **wrong})
    with pytest.raises(msgspec.ValidationError, match=f"`\\$.{next(iter(wrong))}`"):
        msgspec.json.decode(body, type=Set)


def test_its_rows_are_those_of_the_class() -> None:
    spec = Spec(job="job.report", queue="mail", when=DAILY, arguments={"of": "a"}, attempts=2)
    row = Scheduled(spec, 5, JOBS.get("job.report")).to_row(now_ms=5, origin="schedule:n", about="run")
    same = Report(of="a").to_row(now_ms=5, origin="schedule:n", about="run", attempts=2)
    assert msgspec.structs.replace(row, id="") == msgspec.structs.replace(same, id="")


class Charge(Job, queue="mail", tag="job.charge"):
    card: Secret[str] = ""

    async def run(self, work: Work) -> None:
        pass


class Pay(Job, queue="mail", tag="job.charge", encrypted=True):
    async def run(self, work: Work) -> None:
        pass


@pytest.mark.parametrize("job", [Charge, Pay])
def test_a_class_with_secrets_is_refused(job: type[Job]) -> None:
    with pytest.raises(Refused, match=r"job\.charge has Secret arguments, or is encrypted") as caught:
        checked(Set(job="job.charge", every_s=60.0).spec, Jobs([job]))
    assert (caught.value.name, caught.value.status) == ("schedule.job", 422)
