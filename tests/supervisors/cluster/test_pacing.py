"""How many shards go at once, by what the node's latencies do meanwhile."""

from greenroom.config.telemetry.instruments import durations
from greenroom.supervisors.cluster.pacing import PACE_S, PAUSED_MAX_S, Pacing, lately, means


class Latency:
    def __init__(self) -> None:
        self.now = [0.001, 0.004]

    def __call__(self) -> list[float]:
        return self.now


def test_a_twentieth_at_a_time_while_nobody_notices() -> None:
    pacing = Pacing(Latency())
    assert [pacing.batch(4096) for _ in range(5)] == [204] * 5
    assert pacing.batch(3) == 1


def test_it_rests_where_one_of_them_rises_and_then_goes_on_with_less_at_once() -> None:
    latency = Latency()
    pacing = Pacing(latency)
    assert pacing.batch(4096) == 204
    latency.now = [0.001, 0.08]
    assert [pacing.batch(4096) for _ in range(3)] == [0] * 3
    latency.now = [0.001, 0.004]
    assert [pacing.batch(4096) for _ in range(5)] == [51, 102, 204, 204, 204]


def test_what_is_short_may_be_twice_as_long_by_chance() -> None:
    latency = Latency()
    pacing = Pacing(latency)
    pacing.batch(4096)
    latency.now = [0.04, 0.05]
    assert pacing.batch(4096) == 204


def test_latencies_that_do_not_fall_while_it_rests_are_no_reason_to_rest_for_ever() -> None:
    """It may be what it has to do that makes it slow."""
    latency = Latency()
    pacing = Pacing(latency)
    pacing.batch(4096)
    latency.now = [1.0, 1.0]
    rests = int(PAUSED_MAX_S / PACE_S)
    assert [pacing.batch(4096) for _ in range(rests + 5)] == [0] * rests + [25, 51, 102, 204, 204]
    latency.now = [3.0, 3.0]
    assert pacing.batch(4096) == 0, "these are higher than the high ones"


def test_what_is_usual_is_found_anew_for_each_move() -> None:
    latency = Latency()
    pacing = Pacing(latency)
    pacing.batch(4096)
    latency.now = [1.0, 1.0]
    assert pacing.batch(4096) == 0
    pacing.over()
    assert [pacing.batch(4096) for _ in range(2)] == [204, 204]


def test_means_are_of_what_was_recorded_since() -> None:
    one, other = durations(), durations()
    one.record(5.0)
    since = means([one, other])
    one.record(0.1)
    one.record(0.3)
    assert [round(mean, 3) for mean in since()] == [0.2, 0.0]
    other.record(0.5)
    assert since() == [0.0, 0.5]


def test_the_newest_mean_counts_until_there_is_another() -> None:
    commits = durations()
    newest = lately(commits)
    assert newest() == 0.0
    commits.record(0.4)
    assert [newest(), newest()] == [0.4, 0.4]
    commits.record(0.1)
    assert round(newest(), 3) == 0.1
