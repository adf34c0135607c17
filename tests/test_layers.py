"""The drawing in docs/, kept true: config <- store <- actors <- transports <- supervisors."""

import ast
import gc
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ORDER = ("config", "store", "actors", "transports", "supervisors")
OUTSIDE = ("tests", "bench")  # they may import anything of ours, and nothing of ours imports them


@pytest.fixture(autouse=True)
def no_collection_while_parsing() -> Iterator[None]:
    """Python before 3.11.8 fails in `ast.parse` when a collection runs a finalizer that parses too, as one that logs a
    traceback does; another test's leftovers are enough. https://github.com/python/cpython/issues/106905
    """
    gc.disable()
    yield
    gc.enable()


def imported(source: str) -> Iterator[tuple[int, str]]:
    """The line and the top-level name of each absolute import; a relative one stays inside its package."""
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Import(names=names):
                yield from ((node.lineno, alias.name.partition(".")[0]) for alias in names)
            case ast.ImportFrom(module=str(name), level=0):
                yield node.lineno, name.partition(".")[0]


@pytest.mark.parametrize("package", ORDER)
def test_each_package_imports_only_what_stands_before_it(package: str) -> None:
    above = ORDER[ORDER.index(package) + 1 :] + OUTSIDE
    modules = sorted((ROOT / package).rglob("*.py"))
    assert modules, f"{package}/ holds no module, so this test would pass whatever it said"
    wrong = [
        f"{path.relative_to(ROOT)}:{line} imports {name}"
        for path in modules
        for line, name in imported(path.read_text(encoding="utf-8"))
        if name in above
    ]
    assert not wrong


@pytest.mark.parametrize("package", ORDER)
def test_no_relative_import_climbs_out_of_its_package(package: str) -> None:
    """`from ...actors import x` in store/a/b.py would hide from the test above."""
    for path in (ROOT / package).rglob("*.py"):
        depth = len(path.relative_to(ROOT).parts) - 1  # store/a/b.py may climb to store: level 2
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom):
                assert node.level <= depth, f"{path.relative_to(ROOT)}:{node.lineno} climbs out of {package}"


def test_every_way_of_importing_is_seen() -> None:
    source = "import a.b, c as d\ndef f():\n    from e.f import g\nfrom . import h\nfrom .i import j\n"
    assert list(imported(source)) == [(1, "a"), (1, "c"), (3, "e")]
