"""What is counted of jobs by queue, and how many queues are told apart."""

import pytest

from greenroom.config.telemetry.exporters import Telemetry
from greenroom.config.telemetry.job_instruments import OTHERS_MAX, QUEUES_MAX, JobInstruments
from tests.config.telemetry.test_exporters import value


def test_each_queue_has_its_numbers() -> None:
    telemetry = Telemetry()
    media, mail = telemetry.jobs.of("media"), telemetry.jobs.of("mail")
    media.added(3)
    media.begun(40, 2)
    media.begun(90_000, 1)
    media.ended("completed", 2)
    media.ended("failed", 1)
    media.ran(5, 3)
    media.lost(1, 7)
    mail.added(1)
    mail.limited()
    assert value(telemetry, "greenroom_jobs_added_total", queue="media") == 3
    assert value(telemetry, "greenroom_jobs_added_total", queue="mail") == 1
    assert value(telemetry, "greenroom_jobs_ended_total", queue="media", outcome="failed") == 1
    assert value(telemetry, "greenroom_job_rescues_total", queue="media") == 7
    assert value(telemetry, "greenroom_job_limits_hit_total", queue="mail") == 1
    waits = [value(telemetry, "greenroom_job_wait_seconds_bucket", queue="media", le=le) for le in ("0.064", "+Inf")]
    assert waits == [2, 3]
    assert value(telemetry, "greenroom_job_wait_seconds_sum", queue="media") == pytest.approx(90.08)
    assert value(telemetry, "greenroom_job_run_seconds_count", queue="mail") == 0


def test_a_life_that_comes_after_another_goes_on_counting() -> None:
    instruments = JobInstruments()
    instruments.of("media").begun(1, 2)
    instruments.of("media").begun(1, 3)
    assert instruments.job_wait_s[("media",)].count == 5


@pytest.mark.bound("queues that a node's metrics tell apart")
def test_queues_beyond_the_bound_are_counted_together() -> None:
    instruments = JobInstruments()
    for number in range(QUEUES_MAX + 50):
        instruments.of(f"q{number}").added(1)
    instruments.of("q0").added(1)
    assert instruments.jobs_added[("q0",)] == 2
    assert instruments.jobs_added[("other",)] == 50
    assert len(instruments.job_wait_s) == QUEUES_MAX + 1


def test_a_queue_that_is_only_woken_takes_no_place() -> None:
    instruments = JobInstruments(queues_max=1)
    for number in range(50):
        instruments.of(f"nobody's-{number}").refused()
    instruments.of("media").begun(1, 1)
    assert [*instruments.job_wait_s] == [("media",)]
    assert instruments.job_adds_refused == {("other",): 50}
    instruments.of("media").refused()
    assert instruments.job_adds_refused[("media",)] == 1


def test_places_of_the_code_s_queues_are_kept_for_them() -> None:
    instruments = JobInstruments(queues_max=3, reserved=frozenset(("mail", "media")))
    for name in ("a", "b", "mail", "c", "media"):
        instruments.of(name).added(1)
    assert instruments.jobs_added == {("a",): 1, ("other",): 2, ("mail",): 1, ("media",): 1}
    assert [*instruments.others] == ["b", "c"]


@pytest.mark.bound("queues counted together that are looked at for gauges")
def test_so_many_others_are_looked_at() -> None:
    instruments = JobInstruments(queues_max=0)
    for number in range(OTHERS_MAX + 5):
        instruments.of(f"q{number}").added(1)
    assert (len(instruments.others), instruments.jobs_added[("other",)]) == (OTHERS_MAX, OTHERS_MAX + 5)


def test_what_is_now_is_looked_up_when_somebody_asks() -> None:
    telemetry = Telemetry()
    telemetry.jobs.look = lambda: telemetry.jobs.jobs_waiting.update({("media",): 12})
    assert value(telemetry, "greenroom_jobs_waiting", queue="media") == 12
