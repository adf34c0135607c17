"""Limits as they are typed, and a queue that is waited for."""

import time
from typing import Any

import pytest

from greenroom.supervisors.cli.jobs import queues
from greenroom.supervisors.cli.jobs.queues import by_key, drained, number_of, rate_of
from greenroom.supervisors.cli.terminal.plainly import Trouble
from tests.supervisors.cli.jobs.test_words import QUEUE


def test_limits_are_numbers_rates_and_those_of_keys() -> None:
    assert (number_of("--per-key", "8"), number_of("--per-key", "none"), number_of("--per-key", None)) == (
        8,
        None,
        None,
    )
    assert rate_of("--rate", "300/60") == {"n": 300, "per_s": 60.0} and rate_of("--rate", "none") is None
    assert rate_of("--rate", "5/1/fixed") == {"n": 5, "per_s": 1.0, "window": "fixed"}
    assert by_key("--tier", ["a=b=3", "=none"]) == {"a=b": 3, "": None}


@pytest.mark.parametrize("text", ["0", "-1", "x", "1000001", "²"])
def test_what_is_no_number_is_refused_by_its_option(text: str) -> None:
    with pytest.raises(Trouble, match="--per-key"):
        number_of("--per-key", text)
    with pytest.raises(Trouble, match="--tier"):
        by_key("--tier", [f"acme={text}"])


def test_what_is_no_rate_or_no_key_is_refused_by_its_option() -> None:
    for text in ("300", "300/", "fast", "1/2/3"):
        with pytest.raises(Trouble, match="--rate"):
            rate_of("--rate", text)
    with pytest.raises(Trouble, match="--weight 'acme'"):
        by_key("--weight", ["acme"])


def test_a_queue_is_looked_at_until_it_is_empty_or_time_is_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queues, "LOOK_S", 0.0)
    left = [3, 5, 0]

    class Asked:
        def view(self, kind: str, key: str) -> dict[str, Any]:
            return {**QUEUE, "unfinished": left.pop(0)}

    server: Any = Asked()
    drained(server, "mail", None)
    assert left == []
    left += [3]
    with pytest.raises(Trouble, match="mail has 3 jobs yet: its limit"):
        drained(server, "mail", time.monotonic())
