from typing import Any

import pytest

from greenroom.config.telemetry.throttled_log import Throttle, ThrottledLog


def test_the_first_goes_through_then_one_an_interval_with_the_number_passed_over() -> None:
    limit = Throttle(interval_s=10.0)
    assert [limit.due("a", at_s) for at_s in (0.0, 1.0, 9.9, 10.0, 10.1, 25.0)] == [0, None, None, 2, None, 1]
    assert limit.due("b", 25.0) == 0


@pytest.mark.bound("events of the log that are told once in a while")
def test_memory_is_bounded_and_the_one_let_through_longest_ago_is_forgotten_first() -> None:
    limit = Throttle(interval_s=10.0, keys_max=2)
    assert [limit.due(key, 0.0) for key in range(1000)] == [0] * 1000
    assert len(limit._seen) == 2
    assert limit.due(998, 1.0) is None and limit.due(0, 1.0) == 0


class Log:
    def __init__(self) -> None:
        self.lines: list[tuple[str, dict[str, Any]]] = []

    def warning(self, event: str, **values: Any) -> None:
        self.lines.append((event, values))


def test_warnings_of_a_flood_are_counted_by_event_and_key() -> None:
    log, now_s = Log(), 100.0
    repeats = ThrottledLog(log, interval_s=10.0, clock=lambda: now_s)
    for peer in ("a", "b", "a", "a"):
        repeats.warning("slow_client", key=peer, peer=peer)
    now_s = 110.0
    repeats.warning("slow_client", key="a", peer="a")
    assert log.lines == [
        ("slow_client", {"peer": "a"}),
        ("slow_client", {"peer": "b"}),
        ("slow_client", {"peer": "a", "passed_over": 2}),
    ]
