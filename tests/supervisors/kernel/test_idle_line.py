"""A line of who has been idle for longest."""

from types import SimpleNamespace
from typing import Any

import pytest

from greenroom.supervisors.kernel.idle_line import IdleLine


@pytest.mark.parametrize("again", [False, True])
def test_nothing_is_kept_of_who_has_ended(again: bool) -> None:
    cells: dict[str, Any] = {}
    line: IdleLine[Any] = IdleLine(cells)
    for at in range(3):
        line.join("log:a", float(at))  # woke, slept, woke
    if again:
        cells["log:a"] = SimpleNamespace(last_active=2.0)
    found = [line.step(10.0) for _ in range(3)]
    assert found[:2] == [None, None]
    assert found[2] is cells.get("log:a")
    assert (len(line), line.first) == ((1, 10.0) if again else (0, float("inf")))
