"""`python -m bench NAME`: ask one question, print a table, write one JSON object. `… all`: ask them all."""

import argparse
import json
import logging
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import structlog
from rich.console import Console
from rich.markup import escape
from rich.measure import Measurement
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from bench import machine, peers
from bench.load.generators import GeneratorFailed, raise_file_limit
from bench.question import Answer, Question, Say, options
from bench.questions import (
    calm,
    chat,
    cluster,
    connections,
    failover,
    fanout,
    feed,
    http,
    jobs,
    restart,
    scaling,
    storm,
    views,
)
from bench.questions.kernel import actors, awake, effects, journal, sagas
from bench.reporting import tables
from bench.reporting.comparison import Compared, compare
from bench.reporting.sides import OURS, Side, ours
from bench.reporting.sweep import sweep
from bench.server import ServerFailed

QUESTIONS = {
    question.name: question
    for question in (
        actors.QUESTION,
        awake.QUESTION,
        journal.QUESTION,
        effects.QUESTION,
        chat.QUESTION,
        fanout.QUESTION,
        http.QUESTION,
        jobs.QUESTION,
        sagas.QUESTION,
        feed.QUESTION,
        connections.QUESTION,
        storm.QUESTION,
        restart.QUESTION,
        failover.QUESTION,
        cluster.QUESTION,
        views.QUESTION,
        calm.QUESTION,
        scaling.QUESTION,
    )
}
ALL_RUNS = 3
REPORT = Path("bench/report")
_WIDE = 300  # characters that a table with peers may have
_VS = f"run these peers too, in turn with us, and print the ratios; known: {', '.join(sorted(peers.PEERS))}"
out, err = Console(), Console(stderr=True)


def parser() -> argparse.ArgumentParser:
    """The command line, made from the questions and their parameters."""
    top = argparse.ArgumentParser(
        prog="python -m bench",
        description="Greenroom's benchmarks. Each answers one question and starts the server it measures.",
        epilog="`python -m bench NAME --help` lists the options of one. docs/run/benchmarks.md says what each "
        "measures, and how the load generators stay out of the way.",
    )
    names = top.add_subparsers(dest="bench", metavar="NAME", required=True)
    for question in QUESTIONS.values():
        sub = names.add_parser(
            question.name,
            help=question.asks,
            description=question.asks,
            formatter_class=argparse.ArgumentDefaultsHelpFormatter,
        )
        for name, default, help_ in options(question.params):
            option = f"--{name.replace('_', '-')}"
            if isinstance(default, bool):
                sub.add_argument(option, action="store_true", default=default, help=help_)
            else:
                sub.add_argument(option, type=type(default), default=default, metavar=name[0].upper(), help=help_)
        sub.add_argument("--runs", type=_positive, default=1, metavar="N", help="run so often and give the medians")
        sub.add_argument("--json", type=Path, metavar="FILE", help="write the result to this file; - for the terminal")
        sub.add_argument("--vs", nargs="+", default=[], metavar="PEER", help=_VS)
        sub.add_argument("--report", type=Path, metavar="DIR", help="write a report of this run here, too")
        if question.load is not None:
            points = " ".join(f"{point:g}" for point in question.load.points)
            sub.add_argument(
                "--sweep",
                nargs="*",
                type=_load,
                metavar="LOAD",
                help=f"measure at several {question.load.unit} ({points}, or those given), print a table and draw "
                "latency and CPU over load into the report's folder (bench/report)",
            )
    every = names.add_parser("all", help="ask every question and write a report", description="Ask every question.")
    every.add_argument("--report", type=Path, default=REPORT, metavar="DIR", help="where the report goes")
    every.add_argument("--runs", type=_positive, default=ALL_RUNS, metavar="N", help="runs of each (default: 3)")
    every.add_argument("--seconds", type=float, metavar="S", help="length of each run, for those that have one")
    every.add_argument("--vs", nargs="+", default=[], metavar="PEER", help=f"where a peer can answer, {_VS}")
    every.add_argument("--only", nargs="+", choices=sorted(QUESTIONS), metavar="NAME", help="only these")
    return top


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status 0; 1 when a benchmark could not be run; 2 for bad usage."""
    asked = vars(parser().parse_args(arguments))
    if sys.platform != "linux":
        err.print("[red]The load generators need Linux[/red]: epoll, /proc and several loopback addresses.")
        return 1
    raise_file_limit()
    try:
        if asked["bench"] == "all":
            return _all(asked)
        return _one(QUESTIONS[asked["bench"]], asked)
    except (ServerFailed, GeneratorFailed) as error:
        err.print(f"[red]{asked['bench']} failed:[/red] {escape(str(error))}", highlight=False)
        return 1
    except peers.PeerMissing as error:
        err.print(f"[red]--vs:[/red] {escape(str(error))}")
        return 2
    except KeyboardInterrupt:
        return 130


def result(question: Question, params: Any, sides: Sequence[Compared]) -> dict[str, Any]:
    """The one JSON object of a benchmark: medians when it ran more than once; ours is the first of `sides`."""
    found = {
        "bench": question.name,
        "params": _shown(params) | {"runs": len(sides[0].runs)},
        "results": sides[0].results,
        "machine": machine.describe(),
    }
    return found | {"peers": [peer.as_peer() for peer in sides[1:]]} if len(sides) > 1 else found


def _one(question: Question, asked: dict[str, Any]) -> int:
    params = question.params(**{name: asked[name] for name, _, _ in options(question.params)})
    sides = _sides(question, asked["vs"])
    if asked.get("sweep") is not None:
        return _sweep(question, params, sides, asked)
    compared = compare(sides, asked["runs"], partial(_ask, question.name, params))
    found = result(question, params, compared)
    _print(question, found, compared)
    if asked["report"]:
        out.print(f"Report: {_report().write(asked['report'], [_chapter(question, found, compared)])}")
    _write(found, asked["json"])
    return 0


def _sweep(question: Question, params: Any, sides: Sequence[Side], asked: dict[str, Any]) -> int:
    assert question.load is not None
    unit = question.load.unit

    def ask(side: Side, params: Any, offered: float) -> Answer:
        return _ask(f"{question.name} at {offered:g} {unit}", params, side)

    swept = sweep(question, params, sides, asked["sweep"], asked["runs"], ask)
    fixed = {name: value for name, value in _shown(params).items() if name != question.load.param}
    found = {
        "bench": question.name,
        "params": fixed | {"runs": asked["runs"]},
        "sides": {side.name: {"durability": side.durability, "about": side.about} for side in sides},
        "sweep": swept.as_json(),
        "machine": machine.describe(),
    }
    _print_table(tables.of_sweep(swept), whole=True)
    _say_who(sides)
    _warn(swept.warnings())
    out.print(f"Report: {_report().write_sweep(asked['report'] or REPORT, swept, found)}")
    _write(found, asked["json"])
    return 0


def _all(asked: dict[str, Any]) -> int:
    report = _report()
    names = asked["only"] or list(QUESTIONS)
    for peer in asked["vs"]:
        if not any(peers.can_answer(peer, name) for name in names):
            peers.find(peer, names[0])  # says what is wrong
    sides = {
        name: _sides(QUESTIONS[name], [peer for peer in asked["vs"] if peers.can_answer(peer, name)]) for name in names
    }
    chapters, failed = [], 0
    for name in names:
        question = QUESTIONS[name]
        given = {"seconds": asked["seconds"]} if asked["seconds"] and hasattr(question.params, "seconds") else {}
        params = question.params(**given)
        try:
            compared = compare(sides[name], asked["runs"], partial(_ask, question.name, params))
        except (ServerFailed, GeneratorFailed) as error:
            err.print(f"[red]{name} failed:[/red] {escape(str(error))}", highlight=False)
            chapters.append(report.Chapter(question, None, (), str(error)))
            failed += 1
            continue
        found = result(question, params, compared)
        _print(question, found, compared)
        chapters.append(_chapter(question, found, compared))
    written = report.write(asked["report"], chapters)
    out.print(f"Report: {written}")
    return 1 if failed else 0


def _sides(question: Question, names: Sequence[str]) -> list[Side]:
    """We first. Raises: PeerMissing."""
    return [ours(question), *(peers.find(name, question.name) for name in dict.fromkeys(names))]


def _ask(title: str, params: Any, side: Side) -> Answer:
    """Raises: ServerFailed, GeneratorFailed."""
    if side.name == OURS:
        with _bar(title) as say:
            return side.answer(params, say)
    try:
        with _bar(f"{side.name}: {title}") as say:
            return side.answer(params, say)
    except (ServerFailed, GeneratorFailed) as error:
        raise type(error)(f"{side.name}: {error}") from error


def _print(question: Question, found: dict[str, Any], compared: Sequence[Compared]) -> None:
    _print_table(tables.of_question(question, found["results"], compared[1:]), whole=len(compared) > 1)
    if len(compared) > 1:
        _say_who([each.side for each in compared])
    for each in compared:
        _warn(each.warnings if each.side.name == OURS else [f"{each.side.name}: {text}" for text in each.warnings])


def _print_table(table: Table, *, whole: bool) -> None:
    """`whole`: wider than the terminal rather than without some of its figures."""
    if whole:
        table.width = Measurement.get(out, out.options.update(width=_WIDE), table).maximum
    out.print(table, crop=not whole)


def _say_who(sides: Sequence[Side]) -> None:
    for line in tables.who(sides):
        out.print(line, markup=False, highlight=False, soft_wrap=True)


def _chapter(question: Question, found: dict[str, Any], compared: Sequence[Compared]) -> Any:
    return _report().Chapter(question, found, compared[0].runs, "", tuple(compared) if len(compared) > 1 else ())


def _report() -> Any:
    from bench.reporting import report  # matplotlib takes a second to import, and only a report needs it

    return report


def _write(found: dict[str, Any], file: Path | None) -> None:
    text = json.dumps(found)
    if file is None or str(file) == "-":
        print(text)
        return
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text + "\n")


def _shown(params: Any) -> dict[str, Any]:
    return {name: value for name, value in asdict(params).items() if value != ""}


@contextmanager
def _bar(title: str) -> Iterator[Say]:
    """A progress bar on a terminal, nothing elsewhere; drawn twice a second, as it shares the machine."""
    columns = (TextColumn("{task.fields[title]}"), BarColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=err, refresh_per_second=2, transient=True, disable=not err.is_terminal) as progress:
        task = progress.add_task("", title=title, total=1.0)
        yield lambda text, share: progress.update(task, description=text, completed=share)


def _warn(warnings: Sequence[str]) -> None:
    for warning in warnings:
        err.print(f"[yellow]Note:[/yellow] {escape(warning)}", highlight=False)


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be 1 or more")
    return number


def _load(text: str) -> float:
    number = float(text)
    if not 0 < number < float("inf"):
        raise argparse.ArgumentTypeError("must be more than 0")
    return number


def _ended(number: int, frame: object) -> None:
    """SIGTERM ends what was started, too."""
    sys.exit(128 + number)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, _ended)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))  # of our own servers
    sys.exit(main())
