"""Every line that our code can log, read from its source: `log.warning("own_server_restarted", server=name)`.

A call counts when its method is named like a level and it is called on something whose name ends in `log` or `logger`:
`log`, `self._log`, the `logger` of a Quart app. An event that is computed would escape the page, so it is refused.
"""

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

_PACKAGES: Final = ("config", "store", "actors", "transports", "supervisors")
_PASSES_ON: Final = ("config/telemetry/throttled_log.py",)  # logs what others name
_NO_FIELDS: Final = ("exc_info", "key")  # arguments of the call that are not on the line
_LEVELS: Final = {
    "debug": "debug",
    "info": "info",
    "warning": "warning",
    "error": "error",
    "exception": "error",
    "critical": "critical",
}


class NotLiteral(Exception):
    """A line is logged whose event is not written there as text, or through another name for the method."""


@dataclass
class Line:
    """One event, with all that any of its places says."""

    levels: list[str] = field(default_factory=list)
    files: list[str] = field(default_factory=list)  # paths, relative to the root
    fields: list[str] = field(default_factory=list)
    traceback: bool = False


def lines_of(root: Path) -> dict[str, Line]:
    """Every event of the five packages under `root`, by name. Raises: NotLiteral."""
    found: dict[str, Line] = {}
    for package in _PACKAGES:
        for path in sorted((root / package).rglob("*.py")):
            name = path.relative_to(root).as_posix()
            if name in _PASSES_ON:
                continue
            text = path.read_text(encoding="utf-8")
            nodes = list(ast.walk(ast.parse(text))) if "log" in text else []
            for call, level in _calls(nodes):
                match call.args:
                    case [ast.Constant(value=str(event))]:
                        _add(found.setdefault(event, Line()), call, level, name)
                    case _:
                        raise NotLiteral(f"{name}:{call.lineno}: the event is not a literal")
            for alias in _aliases(nodes):
                raise NotLiteral(f"{name}:{alias.lineno}: a method of a log by another name")
    return found


def _calls(nodes: list[ast.AST]) -> Iterator[tuple[ast.Call, str]]:
    for node in nodes:
        match node:
            case ast.Call(func=ast.Attribute(attr=level) as method) if _logs(method):
                yield node, level


def _logs(node: ast.Attribute) -> bool:
    """Is it `log.info` and the like?"""
    match node:
        case ast.Attribute(value=ast.Name(name) | ast.Attribute(attr=name), attr=level):
            return level in _LEVELS and name.endswith(("log", "logger"))
    return False


def _aliases(nodes: list[ast.AST]) -> Iterator[ast.expr]:
    """`say = log.info` and `getattr(log, level)`, by which lines would escape."""
    called = {id(node.func) for node in nodes if isinstance(node, ast.Call)}
    for node in nodes:
        match node:
            case ast.Attribute() if _logs(node) and id(node) not in called:
                yield node
            case ast.Call(func=ast.Name("getattr"), args=[ast.Name(name) | ast.Attribute(attr=name), *_]) if (
                name.endswith(("log", "logger"))
            ):
                yield node


def _add(line: Line, call: ast.Call, level: str, file: str) -> None:
    names = [keyword.arg for keyword in call.keywords if keyword.arg is not None and keyword.arg not in _NO_FIELDS]
    line.traceback |= level == "exception" or any(keyword.arg == "exc_info" for keyword in call.keywords)
    for into, values in ((line.levels, [_LEVELS[level]]), (line.files, [file]), (line.fields, names)):
        into += [value for value in values if value not in into]
