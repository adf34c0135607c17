"""Every row of the table of bounds has one test that fills what it names, to the bound and beyond, and sees what
happens then: the one that says so, with `@pytest.mark.bound("the row's queue")`, wherever it stands.
"""

import ast
import re
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from greenroom.config.settings import Settings

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "inside" / "architecture.md"


def rows() -> list[tuple[str, ...]]:
    """Queue, bound, what happens when it is full."""
    table = re.search(r"^## Bounds\n(.*?)^Deadlines", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    assert table is not None
    lines = [line.strip("|").split("|") for line in table[1].splitlines() if "|" in line]
    return [tuple(cell.strip() for cell in line) for line in lines[2:]]


def bound_tests(source: str) -> Iterator[tuple[str, str]]:
    """The tests in it that fill a queue: name, and the queue."""
    for node in ast.parse(source).body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            for decorator in node.decorator_list:
                match decorator:
                    case ast.Call(func=ast.Attribute(attr="bound"), args=[ast.Constant(value=str(queue))]):
                        yield node.name, queue


@cache
def all_bound_tests() -> list[tuple[str, str]]:
    found = []
    for path in (ROOT / "tests").rglob("test_*.py"):
        source = path.read_text(encoding="utf-8")
        if "mark.bound(" in source:
            found += [(f"{path.relative_to(ROOT)}::{name}", queue) for name, queue in bound_tests(source)]
    return found


def test_each_queue_is_filled_by_one_test_and_each_such_test_has_its_row() -> None:
    tests = Counter(queue for _, queue in all_bound_tests())
    queues = Counter(queue for queue, *_ in rows())
    assert not [queue for queue, number in queues.items() if number > 1], "rows of one name"
    assert not sorted(queues.keys() - tests.keys()), "rows that no test fills"
    assert not [test for test in all_bound_tests() if test[1] not in queues], "tests without a row"
    assert not [queue for queue, number in tests.items() if number > 1], "rows that several tests fill"


def test_what_is_marked_is_a_test() -> None:
    assert not [name for name, _ in all_bound_tests() if not name.partition("::")[2].startswith("test_")]
    source = '@pytest.mark.bound("a queue")\nasync def test_it():\n    pass\n'
    assert list(bound_tests(source)) == [("test_it", "a queue")]


@pytest.mark.parametrize("row", rows(), ids=lambda row: row[0])
def test_each_bound_is_a_setting_or_a_number_in_the_file_named(row: tuple[str, ...]) -> None:
    _queue, bound, full = row
    assert bound and full
    settings = re.findall(r"`([A-Z]+_[A-Z_]+)`", bound)
    files = re.findall(r"`([\w/]+\.py)`", bound)
    assert settings or files or "of the kind" in bound, "neither a setting nor a file"
    for name in settings:
        assert name.lower() in Settings.model_fields, name
    for file in files:
        source = (ROOT / file).read_text(encoding="utf-8").replace("_", "")
        number = re.search(r"[\d,]*\d", bound)
        assert number is not None
        assert re.search(rf"\b{number[0].replace(',', '')}\b", source), f"{file} has no {number[0]}"
