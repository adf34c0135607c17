"""The command line: what it offers, what it prints, and what it refuses. Questions here are answered at once."""

import json
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from bench import __main__ as cli
from bench.peers import PeerMissing, find
from bench.question import Answer, Figure, Question, Say, options, param
from bench.server import ServerFailed

INTERFACE = {  # the fields that /docs and scripts rely on
    "actors": ["tell_per_s", "ask_per_s", "spawn_per_s", "bytes_per_idle_actor"],
    "awake": ["megabytes", "collector_max_ms"],
    "journal": ["durable_events_per_s", "lone_p50_ms", "lone_p99_ms"],
    "effects": ["plain_events_per_s", "events_per_s", "commands_per_s", "cost_percent", "undelivered"],
    "sagas": ["sagas_per_s", "done_p50_ms", "done_p99_ms", "lost"],
    "chat": ["sends_per_s", "deliver_p50_ms", "deliver_p99_ms", "lost", "duplicated", "reordered"],
    "fanout": ["deliveries_per_s", "p50_ms", "p99_ms", "server_cpu_s"],
    "http": ["requests_per_s", "p99_ms", "errors"],
    "connections": ["connections", "bytes_per_connection", "connects_per_s"],
    "storm": ["clients", "recovered", "lost", "seconds"],
    "restart": ["entities", "first_reply_s", "after_kill_s", "after_crash_s"],
    "failover": [
        *(f"unavailable_ms_{cause}_{share}" for cause in ("kill", "drain", "freeze") for share in ("p50", "p99")),
        "lost",
        "duplicated",
    ],
    "cluster": ["nodes", "sends_per_s", "ask_p50_ms", "ask_p99_ms", "deliveries_per_s"],
    "views": [
        "catch_up_per_s",
        "rebuild_per_s",
        "lag_p50_ms",
        "lag_p99_ms",
        "watch_p50_ms",
        "watch_p99_ms",
        "append_cost_share",
        "wrong_rows",
        "pages_flat",
    ],
    "jobs": [
        "processed_per_s",
        "add_single_per_s",
        "add_parallel_per_s",
        "add_bulk_per_s",
        "pickup_p50_ms",
        "pickup_p99_ms",
        "limited_share",
        "rtt2_share",
        "million_waiting_share",
        "rescue_ms",
        "lost",
        "run_twice_completed",
    ],
    "feed": [
        "read_p50_ms",
        "read_p95_ms",
        "like_p95_ms",
        "follow_p95_ms",
        "fanout_s",
        "inbox_p95_ms",
        "counter_drift",
    ],
    "calm": [
        "close_watchers",
        "close_delay_ms",
        "sign_out_connections",
        "sign_out_delay_ms",
        "sleepers",
        "sleepers_core_share",
    ],
    "scaling": ["nodes", "entities", "shards", "statements_per_s"],
}


@dataclass(frozen=True, kw_only=True)
class Params:
    seconds: float = param(5.0, "how long")
    things: int = param(3, "how many things")
    twice: bool = param(False, "do it twice")


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Params]:
    """A question called `quick` that counts 10, 20, 30 … and notes what it was asked."""
    calls: list[Params] = []

    def answer(params: Params, say: Say) -> Answer:
        say("counting", 0.5)
        calls.append(params)
        if params.things == 0:
            raise ServerFailed("no things")
        return Answer({"count": 10 * len(calls), "p99_ms": 1.5}, {"count": [(0.5, 1.0), (0.99, 2.0)]}, ["half of it"])

    question = Question("quick", "How many?", Params, {"count": Figure("things", at_least=15)}, answer)
    monkeypatch.setattr(cli, "QUESTIONS", {"quick": question})
    return calls


def test_every_benchmark_of_the_interface_has_its_fields() -> None:
    assert {name: [*INTERFACE[name]] for name in cli.QUESTIONS} == {
        name: list(question.figures)[: len(INTERFACE[name])] for name, question in cli.QUESTIONS.items()
    }


def test_help_names_every_option_with_what_it_means(capsys: pytest.CaptureFixture[str]) -> None:
    for name, question in cli.QUESTIONS.items():
        with pytest.raises(SystemExit) as ended:
            cli.main([name, "--help"])
        assert ended.value.code == 0
        said = capsys.readouterr().out
        for option, _, help_ in options(question.params):
            assert f"--{option.replace('_', '-')}" in said and help_


def test_one_object_with_four_keys_and_medians_of_the_runs(tmp_path: Path, asked: list[Params]) -> None:
    file = tmp_path / "deep" / "quick.json"
    assert cli.main(["quick", "--seconds", "2", "--twice", "--runs", "3", "--json", str(file)]) == 0
    found = json.loads(file.read_text())
    assert list(found) == ["bench", "params", "results", "machine"]
    assert found["bench"] == "quick"
    assert found["params"] == {"seconds": 2.0, "things": 3, "twice": True, "runs": 3}
    assert found["results"] == {"count": 20, "p99_ms": 1.5}
    assert found["machine"]["cores"] >= 1
    assert asked == [Params(seconds=2.0, twice=True)] * 3


def test_the_table_shows_figure_and_goal_and_the_notes_say_what_to_doubt(
    capsys: pytest.CaptureFixture[str], asked: list[Params]
) -> None:
    assert cli.main(["quick"]) == 0
    said = capsys.readouterr()
    assert "≥ 15" in said.out and "count" in said.out and "half of it" in said.err
    assert json.loads(said.out.splitlines()[-1])["results"]["count"] == 10


def test_a_failure_is_named_and_has_status_1(capsys: pytest.CaptureFixture[str], asked: list[Params]) -> None:
    assert cli.main(["quick", "--things", "0"]) == 1
    assert "quick failed: no things" in capsys.readouterr().err


@pytest.mark.parametrize("wrong", [["nothing"], ["quick", "--runs", "0"], ["quick", "--seconds", "soon"], []])
def test_bad_usage_has_status_2(wrong: list[str], asked: list[Params]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(wrong)
    assert ended.value.code == 2


def test_a_peer_that_is_not_there_is_said_clearly(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, asked: list[Params]
) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(cli, "QUESTIONS", {"chat": replace(cli.QUESTIONS["quick"], name="chat")})
    assert cli.main(["chat", "--vs", "centrifugo"]) == 2
    assert "not installed" in capsys.readouterr().err
    assert not asked  # said before minutes of measuring
    with pytest.raises(PeerMissing, match="known: bullmq, centrifugo"):
        find("nobody", "chat")


def test_all_writes_a_report_with_plots_and_goes_on_after_a_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, asked: list[Params]
) -> None:
    def fail(params: Params, say: Say) -> Answer:
        raise ServerFailed("it would not start")

    questions = {"broken": Question("broken", "Does it?", Params, {}, fail), **cli.QUESTIONS}
    monkeypatch.setattr(cli, "QUESTIONS", questions)
    assert cli.main(["all", "--report", str(tmp_path), "--seconds", "1"]) == 1
    report = (tmp_path / "report.md").read_text()
    assert "| quick | `count` | 20 | 10 – 30 | ≥ 15 | yes |" in report
    assert "it would not start" in report and "half of it" in report
    assert (tmp_path / "quick.png").stat().st_size > 1_000 and (tmp_path / "goals.png").exists()
    assert [each["bench"] for each in json.loads((tmp_path / "results.json").read_text())] == ["quick"]
    assert [params.seconds for params in asked] == [1.0] * 3
