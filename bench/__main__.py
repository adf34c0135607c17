"""`python -m bench NAME`: ask one question, print a table, write one JSON object. `… all`: ask them all."""

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from bench import actors, chat, connections, effects, fanout, http, journal, machine, peers, restart, storm
from bench.generators import GeneratorFailed, raise_file_limit
from bench.percentiles import medians
from bench.question import Answer, Question, Results, Say, options
from bench.server import ServerFailed

QUESTIONS = {
    question.name: question
    for question in (
        actors.QUESTION,
        journal.QUESTION,
        effects.QUESTION,
        chat.QUESTION,
        fanout.QUESTION,
        http.QUESTION,
        connections.QUESTION,
        storm.QUESTION,
        restart.QUESTION,
    )
}
ALL_RUNS = 3
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
        sub.add_argument("--vs", metavar="PEER", help="run this peer too, and print the ratio")
    every = names.add_parser("all", help="ask every question and write a report", description="Ask every question.")
    every.add_argument("--report", type=Path, default=Path("bench/report"), metavar="DIR", help="where the report goes")
    every.add_argument("--runs", type=_positive, default=ALL_RUNS, metavar="N", help="runs of each (default: 3)")
    every.add_argument("--seconds", type=float, metavar="S", help="length of each run, for those that have one")
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


def result(question: Question, params: Any, runs: Sequence[Answer]) -> dict[str, Any]:
    """The one JSON object of a benchmark: medians when it ran more than once."""
    shown = {name: value for name, value in asdict(params).items() if value != ""}
    return {
        "bench": question.name,
        "params": shown | {"runs": len(runs)},
        "results": medians([run.results for run in runs]),
        "machine": machine.describe(),
    }


def _one(question: Question, asked: dict[str, Any]) -> int:
    params = question.params(**{name: asked[name] for name, _, _ in options(question.params)})
    peer = peers.find(asked["vs"], question.name) if asked["vs"] else None
    runs = _runs(question, params, asked["runs"])
    found = result(question, params, runs)
    theirs: Results | None = None
    if peer is not None:
        with _bar(f"{asked['vs']}: {question.name}") as say:
            theirs = peer(params, say).results
    out.print(_table(question, found["results"], asked["vs"] or "", theirs))
    _warn(runs)
    text = json.dumps(found)
    if asked["json"] is None or str(asked["json"]) == "-":
        print(text)
    else:
        asked["json"].parent.mkdir(parents=True, exist_ok=True)
        asked["json"].write_text(text + "\n")
    return 0


def _all(asked: dict[str, Any]) -> int:
    from bench import report  # matplotlib takes a second to import, and only a report needs it

    chapters, failed = [], 0
    for name in asked["only"] or QUESTIONS:
        question = QUESTIONS[name]
        given = {"seconds": asked["seconds"]} if asked["seconds"] and hasattr(question.params, "seconds") else {}
        params = question.params(**given)
        try:
            runs = _runs(question, params, asked["runs"])
        except (ServerFailed, GeneratorFailed) as error:
            err.print(f"[red]{name} failed:[/red] {escape(str(error))}", highlight=False)
            chapters.append(report.Chapter(question, None, (), str(error)))
            failed += 1
            continue
        found = result(question, params, runs)
        out.print(_table(question, found["results"], "", None))
        _warn(runs)
        chapters.append(report.Chapter(question, found, tuple(runs), ""))
    written = report.write(asked["report"], chapters)
    out.print(f"Report: {written}")
    return 1 if failed else 0


def _runs(question: Question, params: Any, times: int) -> list[Answer]:
    runs = []
    for number in range(times):
        with _bar(f"{question.name} {number + 1}/{times}" if times > 1 else question.name) as say:
            runs.append(question.answer(params, say))
    return runs


@contextmanager
def _bar(title: str) -> Iterator[Say]:
    """A progress bar on a terminal, nothing elsewhere; drawn twice a second, as it shares the machine."""
    columns = (TextColumn("{task.fields[title]}"), BarColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=err, refresh_per_second=2, transient=True, disable=not err.is_terminal) as progress:
        task = progress.add_task("", title=title, total=1.0)
        yield lambda text, share: progress.update(task, description=text, completed=share)


def _table(question: Question, results: Results, peer: str, theirs: Results | None) -> Table:
    table = Table(title=question.name, caption=question.asks, title_style="bold", caption_justify="left")
    table.add_column("field")
    table.add_column("value", justify="right")
    table.add_column("goal", justify="right")
    if theirs is not None:
        table.add_column(peer, justify="right")
        table.add_column("ratio", justify="right")
    table.add_column("what it says")
    for name, value in results.items():
        figure = question.figures.get(name)
        goal, meaning, style = "", "", "dim"
        if figure is not None:
            reached = figure.reached(value)
            goal, meaning = figure.goal(), figure.meaning
            style = {None: "", True: "green", False: "red"}[reached]
        row = [name, shown(value), goal]
        if theirs is not None:
            other = theirs.get(name)
            row += ["", ""] if other is None else [shown(other), f"{value / other:.2f}" if other else ""]
        table.add_row(*row, meaning, style=style)
    return table


def shown(value: float | int) -> str:
    """A number as people read it: thousands apart, three digits behind the point at most."""
    return f"{value:,}" if isinstance(value, int) else f"{value:,.3f}".rstrip("0").rstrip(".")


def _warn(runs: Sequence[Answer]) -> None:
    for warning in dict.fromkeys(warning for run in runs for warning in run.warnings):
        err.print(f"[yellow]Note:[/yellow] {escape(warning)}", highlight=False)


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be 1 or more")
    return number


if __name__ == "__main__":
    sys.exit(main())
