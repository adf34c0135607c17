"""What a drill takes for passed, and how it says so."""

import json
from typing import Any

import pytest

from bench.server import Cost
from tests.chaos.verdict import Verdict
from tests.drill.__main__ import Outcome, arguments, report
from tests.drill.members import Coming

FINE: dict[str, Any] = {
    "begun_s": 100.0,
    "ended_s": 120.0,
    "away_ms": [10.0, 20.0, 240.0],
    "waited_ms": [10.0, 20.0, 400.0],
    "calm_ms": [5.0, 6.0, 7.0],
    "comings": [],
    "drains_s": [1.0, 1.5, 2.25],
    "late": False,
    "errors": {"111 overloaded": 2},
    "downs": {"3001 shutdown": 6},
    "cost": Cost(1.0, 2.0, 4.0, 4.0),
    "generators_s": 0.5,
    "away_max_ms": 1000.0,
}


def outcome(**changed: Any) -> Outcome:
    return Outcome(**{"verdict": Verdict(acknowledged=100, seen=400), **FINE, **changed})


def test_what_asks_to_be_tried_again_and_is_answered_then_is_no_failure() -> None:
    fine = outcome()
    assert fine.why == []
    result = fine.result()
    assert result["passed"] and result["sent_again"] == 2
    assert (result["away_ms_p50"], result["away_ms_p99"], result["waited_ms_p99"]) == (20.0, 240.0, 400.0)
    assert (result["drain_max_s"], result["restarts_s"], result["comings"]) == (2.25, 20.0, 0)
    json.dumps(result)
    assert "20 / 240 (goal: 250; a failure: more than 1000)" in report(fine)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"verdict": Verdict(acknowledged=9, lost=1)}, "1 invariants"),
        ({"verdict": Verdict(acknowledged=9, duplicated=2, refused=1)}, "3 invariants"),
        ({"verdict": Verdict()}, "nothing was acknowledged"),
        ({"verdict": Verdict(acknowledged=9, resynchronised=3)}, "3 watchers"),
        ({"comings": [Coming(104.0, "leave of ann, to bob of room:a")]}, "1 times somebody was shown"),
        ({"late": True}, "not every client"),
        ({"away_ms": [10.0, 1001.0]}, "1001 ms, more than 1000"),
    ],
)
def test_anything_else_is_one_and_is_said(changed: dict[str, Any], said: str) -> None:
    failed = outcome(**changed)
    assert len(failed.why) == 1 and said in failed.why[0]
    assert failed.result()["passed"] is False
    if failed.comings:
        assert "leave of ann, to bob of room:a, 4.0 s after the first SIGTERM" in report(failed)


def test_one_node_has_nobody_to_hand_anything_to(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        arguments(["--nodes", "1"])
    assert ended.value.code == 2
    assert "--nodes" in capsys.readouterr().err
    assert arguments([]).nodes == 3
