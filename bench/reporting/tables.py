"""What a measurement prints: a table of every figure beside its goal and its peers, or of a sweep, load by load."""

from collections.abc import Sequence

from rich.table import Table

from bench.question import Question, Results
from bench.reporting.comparison import Compared, ratio
from bench.reporting.sides import OURS, Side
from bench.reporting.sweep import Sweep


def of_question(question: Question, results: Results, peers: Sequence[Compared]) -> Table:
    """Every result of a benchmark, its goal, and what each peer reached."""
    table = Table(title=question.name, caption=question.asks, title_style="bold", caption_justify="left")
    table.add_column("field", no_wrap=True)
    table.add_column(OURS if peers else "value", justify="right")
    table.add_column("goal", justify="right")
    for peer in peers:
        table.add_column(peer.side.name, justify="right", no_wrap=True)
        table.add_column("ratio", justify="right")
    if not peers:  # beside figures of others there is no room for words
        table.add_column("what it says")
    for name, value in results.items():
        figure = question.figures.get(name)
        goal, meaning, style = "", "", "dim"
        if figure is not None:
            goal, meaning = figure.goal(), figure.meaning
            style = {None: "", True: "green", False: "red"}[figure.reached(value)]
        row = [name, shown(value), goal]
        for peer in peers:
            theirs = peer.results.get(name)
            row += ["", ""] if theirs is None else [shown(theirs), ratio(value, theirs)]
        table.add_row(*row, *([] if peers else [meaning]), style=style)
    return table


def of_sweep(swept: Sweep) -> Table:
    """A row for each load and side."""
    table = Table(title=f"{swept.question.name} --sweep", title_style="bold")
    for number, head in enumerate(swept.heads()):
        table.add_column(head, justify="left" if number == 1 else "right", no_wrap=number < 2)
    for point in swept.points:
        for row in swept.rows(point):
            table.add_row(*(cell if isinstance(cell, str) else shown(cell) for cell in row))
        table.add_section()
    return table


def who(sides: Sequence[Side]) -> list[str]:
    """Under a table with peers: what becomes of a message at each side, its version, its configuration."""
    return [f"{side.name}: {side.durability}{'; ' if side.about else ''}{side.about}" for side in sides]


def shown(value: float | int) -> str:
    """A number as people read it: thousands apart, three digits behind the point at most."""
    return f"{value:,}" if isinstance(value, int) else f"{value:,.3f}".rstrip("0").rstrip(".")
