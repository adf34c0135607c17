"""A sweep: in which order it asks, what its table says, and what is drawn. Answers are made up; nothing is timed."""

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from bench import __main__ as cli
from bench import peers
from bench.question import Answer, Load, Question, Say, param
from bench.reporting.sides import Side, in_turn


@dataclass(frozen=True, kw_only=True)
class Params:
    seconds: float = param(5.0, "how long")
    rate: float = param(50.0, "how much")


def answered(rate: float, times: float) -> Answer:
    results: dict[str, float | int] = {"done_per_s": rate, "p50_ms": times * rate / 100, "p99_ms": times * rate / 50}
    results |= {"server_cpu_s": times, "store_cpu_s": 0.5, "generator_cpu_s": 0.25, "others_cpu_share": 0.125}
    return Answer(results, {"delivery": [(0.5, times), (0.99, 2 * times)]}, ["too late"] if rate > 150 else [])


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, float]]:
    """A question `quick` with a load, and a peer `other` that is thrice as slow; notes who was asked at which load."""
    calls: list[tuple[str, float]] = []

    def ours(params: Params, say: Say) -> Answer:
        calls.append(("greenroom", params.rate))
        return answered(params.rate, 1.0)

    def theirs(params: Params, say: Say) -> Answer:
        calls.append(("other", params.rate))
        return answered(params.rate, 3.0)

    load = Load(param="rate", unit="things/s", points=(100.0, 200.0), done="done_per_s", p50="p50_ms", p99="p99_ms")
    monkeypatch.setattr(cli, "QUESTIONS", {"quick": Question("quick", "How late?", Params, {}, ours, load)})
    side = Side("other", theirs, "not durable: it forgets", "version 1")
    monkeypatch.setattr(peers, "PEERS", {"other": peers.Peer({"quick": theirs}, lambda bench: side)})
    return calls


def test_sides_take_turns_and_each_begins_as_often() -> None:
    first, second = (Side(name, lambda params, say: Answer({}), "") for name in "ab")
    assert "".join(side.name for side in in_turn([first, second], 3)) == "abbaab"


def test_every_side_is_asked_at_every_load_in_turn(tmp_path: Path, asked: list[tuple[str, float]]) -> None:
    assert cli.main(["quick", "--sweep", "--runs", "2", "--vs", "other", "--report", str(tmp_path)]) == 0
    turns = ["greenroom", "other", "other", "greenroom"]
    assert asked == [(name, rate) for rate in (100.0, 200.0) for name in turns]


def test_the_table_has_a_row_for_each_load_and_side_and_says_who_is_durable(
    tmp_path: Path, asked: list[tuple[str, float]], capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["quick", "--sweep", "100", "400", "--vs", "other", "--report", str(tmp_path)]) == 0
    written = (tmp_path / "quick-sweep.md").read_text()
    assert "| 100 | greenroom | 100 | 1 | 2 | 1 | 0.5 | 0.25 | 12% |" in written
    assert "| 400 | other | 400 | 12 | 24 | 3 | 0.5 | 0.25 | 12% |" in written
    assert "- greenroom: durable: " in written and "- other: not durable: it forgets; version 1" in written
    assert "- Note: other at 400 things/s: too late" in written and "at 100 things/s" not in written
    said = capsys.readouterr()
    assert "things/s" in said.out and "not durable: it forgets" in said.out
    assert "greenroom at 400 things/s: too late" in said.err


def test_the_json_of_a_sweep_has_each_load_with_the_results_of_each_side(
    tmp_path: Path, asked: list[tuple[str, float]]
) -> None:
    file = tmp_path / "swept.json"
    arguments = ["quick", "--sweep", "100", "--vs", "other", "--report", str(tmp_path), "--json", str(file)]
    assert cli.main(arguments) == 0
    found: dict[str, Any] = json.loads(file.read_text())
    assert found == json.loads((tmp_path / "quick-sweep.json").read_text())
    assert list(found) == ["bench", "params", "sides", "sweep", "machine"]
    assert found["params"] == {"seconds": 5.0, "runs": 1}  # the load is not one of them
    assert [point["rate"] for point in found["sweep"]] == [100.0]
    assert {name: each["p50_ms"] for name, each in found["sweep"][0]["results"].items()} == {"greenroom": 1, "other": 3}
    assert found["sides"]["other"]["durability"] == "not durable: it forgets"


def test_latency_and_cpu_are_drawn_over_the_load_for_each_side(tmp_path: Path, asked: list[tuple[str, float]]) -> None:
    assert cli.main(["quick", "--sweep", "--vs", "other", "--report", str(tmp_path)]) == 0
    drawing = ElementTree.parse(tmp_path / "quick-sweep.svg")
    words = {(each.text or "").strip() for each in drawing.iter() if each.tag.endswith("}text")}
    assert {"greenroom, p50", "greenroom, p99", "other, p50", "other, p99"} <= words
    assert {"greenroom, with its store", "greenroom, without its store", "other"} <= words
    assert {"ms", "CPU seconds", "things/s offered", "100", "200"} <= words


def test_a_sweep_needs_no_peer(tmp_path: Path, asked: list[tuple[str, float]]) -> None:
    assert cli.main(["quick", "--sweep", "--report", str(tmp_path)]) == 0
    assert asked == [("greenroom", 100.0), ("greenroom", 200.0)]
    assert (tmp_path / "quick-sweep.svg").read_text().lstrip().startswith("<?xml")


@pytest.mark.parametrize("wrong", ["0", "-1", "inf", "nan", "many"])
def test_a_load_is_a_number_above_nothing(wrong: str, asked: list[tuple[str, float]]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(["quick", "--sweep", wrong])
    assert ended.value.code == 2 and not asked


def test_one_run_with_a_peer_has_both_results_and_the_ratio(
    tmp_path: Path, asked: list[tuple[str, float]], capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "one.json"
    arguments = ["quick", "--vs", "other", "--runs", "2", "--report", str(tmp_path), "--json", str(file)]
    assert cli.main(arguments) == 0
    assert asked == [(name, 50.0) for name in ("greenroom", "other", "other", "greenroom")]
    found = json.loads(file.read_text())
    assert found["results"]["p50_ms"] == 0.5
    (peer,) = found["peers"]
    assert (peer["name"], peer["durability"]) == ("other", "not durable: it forgets")
    assert peer["results"]["p50_ms"] == 1.5
    said = capsys.readouterr().out
    assert "0.33" in said and "other: not durable: it forgets; version 1" in said
    report = (tmp_path / "report.md").read_text()
    assert "| field | median | each run | other | ratio | what it says |" in report
    assert "| `p50_ms` | 0.5 | 0.5, 0.5 | 1.5 | 0.33 |  |" in report
    assert "- greenroom: durable" in report and "- other: not durable: it forgets" in report


def test_no_figure_is_cut_off_however_many_peers_there_are(
    monkeypatch: pytest.MonkeyPatch, asked: list[tuple[str, float]], capsys: pytest.CaptureFixture[str]
) -> None:
    side = peers.PEERS["other"].side("quick")

    def called(name: str) -> peers.Peer:
        return peers.Peer({"quick": None}, lambda bench: replace(side, name=name))

    several = {name: called(name) for name in (f"a-peer-with-a-long-name-{number}" for number in range(5))}
    monkeypatch.setattr(peers, "PEERS", several)
    assert cli.main(["quick", "--rate", "1234567.25", "--vs", *several]) == 0
    row = next(line for line in capsys.readouterr().out.splitlines() if "done_per_s" in line)
    assert row.count("1,234,567.25") == 6


def test_all_asks_a_peer_what_it_can_answer(tmp_path: Path, asked: list[tuple[str, float]]) -> None:
    assert cli.main(["all", "--report", str(tmp_path), "--runs", "1", "--vs", "other"]) == 0
    assert [name for name, _ in asked] == ["greenroom", "other"]
    assert cli.main(["all", "--report", str(tmp_path), "--vs", "nobody"]) == 2
