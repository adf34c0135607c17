"""How much of the five packages the type checker can't see: `Any`, counted where it is written.

A line counts when it is not blank; an `Any` counts wherever it stands but in an import. `python -m tests.test_types`
prints the files that have most of them.
"""

import ast
from pathlib import Path

ROOT = Path(__file__).parent.parent
PACKAGES = ("config", "store", "actors", "transports", "supervisors")
ANY_PER_1000_LINES_MAX = 10.0


def anys(source: str) -> int:
    """How often `Any` stands in `source`, annotations in quotes among them."""
    found = 0
    for node in ast.walk(ast.parse(source)) if "Any" in source else ():
        match node:
            case ast.Name("Any") | ast.Attribute(attr="Any"):
                found += 1
            case ast.arg(annotation=ast.Constant(value=str(text))) | ast.AnnAssign(annotation=ast.Constant(str(text))):
                found += anys(text)
            case (
                ast.FunctionDef(returns=ast.Constant(str(text))) | ast.AsyncFunctionDef(returns=ast.Constant(str(text)))
            ):
                found += anys(text)
    return found


def by_file() -> dict[Path, tuple[int, int]]:
    """(how many `Any`, how many lines) of each file."""
    files = {path: path.read_text(encoding="utf-8") for package in PACKAGES for path in (ROOT / package).rglob("*.py")}
    return {
        path.relative_to(ROOT): (anys(text), sum(bool(line.strip()) for line in text.splitlines()))
        for path, text in files.items()
    }


def per_1000_lines() -> float:
    counted = by_file().values()
    return 1000 * sum(found for found, _ in counted) / sum(lines for _, lines in counted)


def test_any_stays_rare() -> None:
    assert per_1000_lines() <= ANY_PER_1000_LINES_MAX, "python -m tests.test_types names the files"


def test_each_way_to_write_it_is_seen() -> None:
    source = (
        "from typing import Any\nimport typing\nx: dict[str, Any]\ny: 'list[Any]'\n"
        "def f(a: typing.Any, *b: 'Any') -> 'Any': ...\n"
    )
    assert anys(source) == 5


if __name__ == "__main__":
    print(f"{per_1000_lines():.1f} of 1,000 lines")
    for path, (found, lines) in sorted(by_file().items(), key=lambda item: -item[1][0])[:25]:
        print(f"{found:4} in {lines:4} lines  {path}")
