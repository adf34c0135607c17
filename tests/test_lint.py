"""Rules of ours that ruff does not know, kept by reading the source."""

import ast
import gc
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("config", "store", "actors", "transports", "supervisors")


@pytest.fixture(autouse=True)
def no_collection_while_parsing() -> Iterator[None]:
    """See tests/test_layers.py."""
    gc.disable()
    yield
    gc.enable()


def files() -> list[Path]:
    return sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))


def raised_constants(source: str) -> Iterator[tuple[int, str]]:
    """The line and name of each `raise NAME`, also of a module's or a class's: an object that is raised again.

    An exception object keeps the frames of each raise for as long as it lives, and with them whatever they hold.
    """
    for node in ast.walk(ast.parse(source)) if "raise" in source else ():
        if isinstance(node, ast.Raise):
            for raised in (node.exc, node.cause):
                match raised:
                    case ast.Name(id=name) | ast.Attribute(attr=name) if name.isupper():
                        yield node.lineno, name


def test_nothing_is_raised_by_a_name_in_capitals() -> None:
    wrong = [
        f"{path.relative_to(ROOT)}:{line} raises {name}: make a new exception for each raise"
        for path in files()
        for line, name in raised_constants(path.read_text(encoding="utf-8"))
    ]
    assert not wrong


def test_no_module_and_no_class_holds_an_exception() -> None:
    """The same by another name: an instance that lives as long as the process."""
    wrong: list[str] = []
    for path in files():
        inside = path.relative_to(ROOT)
        if inside.name.startswith("__main__") or "migrations" in inside.parts:
            continue
        module = import_module(".".join(("greenroom", *inside.with_suffix("").parts)).removesuffix(".__init__"))
        holders = [module, *(one for one in vars(module).values() if isinstance(one, type))]
        wrong += [
            f"{inside}: {getattr(holder, '__name__', '')}.{name}"
            for holder in holders
            for name, value in vars(holder).items()
            if isinstance(value, BaseException)
        ]
    assert not wrong


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("raise FAILED", [(1, "FAILED")]),
        ("raise codes.FAILED from None", [(1, "FAILED")]),
        ("try:\n    pass\nexcept OSError:\n    raise Failed(FAILED) from CAUSE", [(4, "CAUSE")]),
        ("raise Failed(FAILED)", []),
        ("raise StopIteration", []),
    ],
)
def test_a_name_in_capitals_is_found(source: str, found: list[tuple[int, str]]) -> None:
    assert list(raised_constants(source)) == found
