"""What a public docstring must say: of a class, what it is; of a function, what it raises by a `raise` of its own."""

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
PACKAGES = ("config", "store", "actors", "transports", "supervisors")
# Commands of the command line: their docstrings are the help, and what they raise is told on stderr.
COMMANDS = "supervisors/cli/"
BUGS = {"AssertionError", "NotImplementedError"}  # raised by nobody's input
ANSWERED = {"HttpApi.handle", "ClientSession.received"}  # raise to themselves: what they catch becomes an answer

Function = ast.FunctionDef | ast.AsyncFunctionDef


def public(body: list[ast.stmt], owner: str = "") -> Iterator[tuple[str, ast.ClassDef | Function]]:
    """Classes and functions by dotted name, those inside classes too."""
    for node in body:
        if isinstance(node, ast.ClassDef | Function) and not node.name.startswith("_"):
            yield owner + node.name, node
            if isinstance(node, ast.ClassDef):
                yield from public(node.body, f"{owner}{node.name}.")


def raised(function: Function) -> set[str]:
    """The exceptions that `raise Name` or `raise Name(...)` in it names, functions inside it left out."""
    names: set[str] = set()
    waiting: list[ast.AST] = list(function.body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, Function | ast.ClassDef | ast.Lambda):
            continue
        match node:
            case ast.Raise(exc=ast.Call(func=named)) | ast.Raise(exc=ast.Name() | ast.Attribute() as named):
                name = ast.unparse(named).rpartition(".")[2]
                if name[0].isupper():
                    names.add(name)
        waiting.extend(ast.iter_child_nodes(node))
    return names


def unsaid(source: str) -> list[str]:
    """What is missing in the docstrings of one module, a line each."""
    missing: list[str] = []
    for name, node in public(ast.parse(source).body):
        doc = ast.get_docstring(node) or ""
        if isinstance(node, ast.ClassDef):
            if not doc:
                missing.append(f"{node.lineno}: {name} has no docstring")
            continue
        _, _, said = doc.partition("Raises")
        for one in sorted(raised(node) - BUGS):
            if one not in said and name not in ANSWERED:
                missing.append(f"{node.lineno}: {name} does not say `Raises: {one}`")
    return missing


def test_what_is_missing_is_found() -> None:
    source = (
        "class Open:\n    def f(self):\n        raise Refused('no')\n"
        "def g():\n    '''Raises: Other.'''\n    raise errors.Late from None\n"
        "def h():\n    '''Raises: Late.'''\n    raise Late\n"
        "def _private():\n    raise Late\n"
        "def again():\n    try: ...\n    except Late as error:\n        raise\n    raise NotImplementedError\n"
    )
    assert unsaid(source) == [
        "1: Open has no docstring",
        "2: Open.f does not say `Raises: Refused`",
        "4: g does not say `Raises: Late`",
    ]


def test_public_classes_say_what_they_are_and_functions_what_they_raise() -> None:
    found = [
        f"{name}:{line}"
        for package in PACKAGES
        for path in sorted((ROOT / package).rglob("*.py"))
        if not (name := path.relative_to(ROOT).as_posix()).startswith(COMMANDS)
        for line in unsaid(path.read_text(encoding="utf-8"))
    ]
    assert found == []
