"""What an entity refuses with, read off its source: each `Refused("kind.rule", detail, status=…)`, each `limit_user`.

A rule whose name is worked out as the program runs is not found. Of a detail, the constants of the module are filled in
and everything else is left open.
"""

import ast
import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

from greenroom.actors.model.actor import Actor
from greenroom.actors.model.errors import Refused

OPEN = "…"
STATUS = Refused("").status  # where none is given
LIMITED = 429  # what `limit_user` refuses with
UNAUTHENTICATED = ("unauthenticated", 401, "this command needs a user")  # what `require_user` refuses with


class Refusal(NamedTuple):
    """A rule with its HTTP status, and what is said with it, in as many ways as there are."""

    name: str
    status: int
    details: tuple[str, ...]


def refusals_of(actor: type[Actor[object]]) -> list[Refusal]:
    """By status and name; [] where the source is not at hand."""
    found: dict[tuple[str, int], dict[str, None]] = {}  # rule -> its details, in order and without repeats
    for module in _modules_of(actor):
        for name, status, detail in _refused_in(module):
            found.setdefault((name, status), {}).update({detail: None} if detail else {})
    rules = sorted(found.items(), key=lambda one: (one[0][1], one[0][0]))
    return [Refusal(name, status, tuple(details)) for (name, status), details in rules]


def _modules_of(actor: type[Actor[object]]) -> list[ModuleType]:
    """The actor's and those of its bases, with the modules beside and below them that they import: its parts."""
    waiting = [sys.modules[cls.__module__] for cls in actor.__mro__ if issubclass(cls, Actor) and cls is not Actor]
    found: list[ModuleType] = []
    while waiting:
        module = waiting.pop(0)
        if module in found or not getattr(module, "__file__", None):
            continue
        found.append(module)
        folder = _file(module).parent
        for name in _imported_by(module):
            beside = sys.modules.get(name)
            if beside is not None and getattr(beside, "__file__", None) and folder in _file(beside).parents:
                waiting.append(beside)
    return found


def _imported_by(module: ModuleType) -> Iterator[str]:
    for node in ast.walk(_tree(module)):
        match node:
            case ast.Import(names=names):
                yield from (alias.name for alias in names)
            case ast.ImportFrom(module=name, level=level):
                relative = "." * level + (name or "")
                yield importlib.util.resolve_name(relative, module.__package__ or "") if level else relative


def _refused_in(module: ModuleType) -> Iterator[tuple[str, int, str]]:
    for node in ast.walk(_tree(module)):
        match node:
            case ast.Call(func=ast.Name(id="Refused"), args=[ast.Constant(value=str(name)), *rest], keywords=keywords):
                given = {keyword.arg: keyword.value for keyword in keywords}
                detail = rest[0] if rest else given.get("detail")
                status = given.get("status")
                code = status.value if isinstance(status, ast.Constant) and isinstance(status.value, int) else STATUS
                yield name, code, _text(detail, module) if detail is not None else ""
            case ast.Call(func=ast.Attribute(value=ast.Name(id="self"), attr="require_user")):
                yield UNAUTHENTICATED
            case ast.Call(
                func=ast.Attribute(value=ast.Name(id="self"), attr="limit_user"),
                args=[ast.Constant(value=str(name)), per_h],
            ):
                times = _text(ast.FormattedValue(per_h, -1), module)
                yield name, LIMITED, f"a user may do this {times} times an hour: wait {OPEN} s"


def _text(node: ast.expr, module: ModuleType) -> str:
    match node:
        case ast.Constant(value=str(text)):
            return text
        case ast.JoinedStr(values=values):
            return "".join(_text(value, module) for value in values)
        case ast.FormattedValue(value=ast.Name(id=name)) if isinstance(constant := vars(module).get(name), int | str):
            return f"{constant:,}" if isinstance(constant, int) else constant
        case _:
            return OPEN


def _tree(module: ModuleType) -> ast.Module:
    return ast.parse(_file(module).read_text(encoding="utf-8"))


def _file(module: ModuleType) -> Path:
    assert module.__file__ is not None  # as `_modules_of` has seen
    return Path(module.__file__)
