"""Between two kinds of call a bench waits until its server is idle, and no longer than it is to."""

from collections.abc import Iterable

import pytest

from bench.feed.settling import LOOK_S, LOOKS, settled
from bench.server import Cost


class Server:
    """Uses so much of a core between two looks."""

    def __init__(self, *cores: float) -> None:
        self._costs: Iterable[Cost] = iter(
            Cost(sum(cores[:number]) * LOOK_S, 0.0, 0.0, number * LOOK_S) for number in range(len(cores) + 1)
        )

    def cost(self) -> Cost:
        return next(iter(self._costs))


@pytest.mark.parametrize(
    ("cores", "within_s", "looks"),
    [
        ((0.0,) * LOOKS, 60.0, LOOKS),
        ((1.0, 0.5, 0.1, 0.1, 0.0), 60.0, 5),
        ((1.0, 0.1, 0.1, 0.3, 0.1, 0.1, 0.1), 60.0, 7),
        ((1.0,) * 4, 4 * LOOK_S, 4),
        ((), 0.0, 0),
    ],
)
def test_it_waits_for_looks_at_an_idle_server_one_after_another(
    cores: tuple[float, ...], within_s: float, looks: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    cost, seconds = settled(Server(*cores), within_s)  # type: ignore[arg-type]
    assert seconds == looks * LOOK_S
    assert cost.server_s == pytest.approx(sum(cores) * LOOK_S)
