"""`greenroom new NAME`: a small project of one's own, tested from its first minute."""

import importlib.metadata
import importlib.util
import json
import keyword
import re
import sys
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit
from urllib.request import url2pathname

import typer

from greenroom.supervisors.cli.chosen.kinds import built_in_kinds
from greenroom.supervisors.cli.terminal.plainly import BAD_USAGE, Trouble, told_plainly
from greenroom.supervisors.cli.terminal.version import VERSION

TEMPLATE = Path(__file__).parent / "template"
FILES = {  # what is written <- what of
    "{module}.py": "module.py",
    "test_{module}.py": "test_module.py",
    "pyproject.toml": "pyproject.toml",
    "Makefile": "Makefile",
    "README.md": "README.md",
    ".gitignore": "gitignore",
}
NAME = re.compile(r"[a-z][a-z0-9]*([-_][a-z0-9]+)*")
NAME_MAX = 30
BUILDING = ("setup", "build", "dist")  # files and folders that have a meaning for what builds and installs projects
OURS = ("saga", "actor", "greenroom")  # tags of our own that no kind may take; and the package


def new(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Of the project, its folder and its first entity.")],
) -> None:
    """Write a small tested project into the folder NAME: an entity, its tests, a Makefile with `serve` and `test`.

    It runs in the environment that this command runs in, where that has pytest, else in one of its own.
    """
    with told_plainly():
        module = _module_of(name)
        folder = Path(name)
        texts = {path.format(module=module): text for path, text in _texts(name, module).items()}
        texts["local.mk"] = local_makefile(sys.executable, _source())
        try:
            folder.mkdir()
        except FileExistsError:
            raise Trouble(f"{folder} is there already: nothing was written") from None
        for path, text in texts.items():
            (folder / path).write_text(text, encoding="utf-8")
        typer.echo(f"wrote {folder}/ with {', '.join(texts)}\n\n{_next_steps(name, module)}")


def _module_of(name: str) -> str:
    """The module and the kind. Raises: Trouble when there can be none of that name."""
    if not NAME.fullmatch(name) or len(name) > NAME_MAX:
        rule = f"begins with a letter and has at most {NAME_MAX} of a-z, 0-9, and - or _ in between"
        raise Trouble(f"NAME: {name!r} is no name for a project: one {rule}", status=BAD_USAGE)
    module = name.replace("-", "_")
    if keyword.iskeyword(module) or keyword.issoftkeyword(module) or module in sys.stdlib_module_names:
        raise Trouble(f"NAME: {name!r} is a name of Python's own; choose another", status=BAD_USAGE)
    if module in built_in_kinds() or module in OURS:
        raise Trouble(f"NAME: {name!r} is a name of Greenroom's own; choose another", status=BAD_USAGE)
    if module in BUILDING:
        raise Trouble(f"NAME: {name!r} means something to what installs projects; choose another", status=BAD_USAGE)
    if module.startswith("test_") or module == "conftest":
        raise Trouble(f"NAME: {name!r} would be taken for tests; choose another", status=BAD_USAGE)
    if not Path(name).exists() and importlib.util.find_spec(module) is not None:
        raise Trouble(f"NAME: {name!r} is installed already, as a package; choose another", status=BAD_USAGE)
    return module


def _texts(name: str, module: str) -> dict[str, str]:
    given = {
        "@name@": name,
        "@module@": module,
        "@version@": VERSION,
        "@requirement@": f"greenroom=={VERSION}",
    }
    return {path: _filled(TEMPLATE / f"{template}.template", given) for path, template in FILES.items()}


def _filled(template: Path, given: dict[str, str]) -> str:
    text = template.read_text(encoding="utf-8")
    for mark, value in given.items():
        text = text.replace(mark, value)
    return text


def _source() -> Path | None:
    """The wheel or the checkout that Greenroom was installed from; None when that was an index."""
    try:
        record = importlib.metadata.distribution("greenroom").read_text("direct_url.json")
    except importlib.metadata.PackageNotFoundError:
        return None
    url = urlsplit(json.loads(record)["url"]) if record else urlsplit("")
    return Path(url2pathname(url.path)) if url.scheme == "file" else None


def local_makefile(python: str, source: Path | None) -> str:
    """What of the project holds for this machine only."""
    lines = ["# Written by `greenroom new` for this machine; not committed.", f"PYTHON := {_for_make(python)}"]
    if source is not None:
        lines.append(f"GREENROOM := {_for_make(str(source))}")
    return "\n".join([*lines, ""])


def _for_make(text: str) -> str:
    return text.replace("$", "$$").replace("#", r"\#")


def _next_steps(name: str, module: str) -> str:
    address = f"localhost:8000/api/{module}/corner/post"
    return "\n".join(
        [
            f"  cd {name}",
            "  make test     # its tests, without a server",
            "  make serve    # http://127.0.0.1:8000/, started anew when the code changes",
            f"""  curl -X POST {address} -H 'X-Greenroom-User: ann' -d '{{"text": "hello"}}'""",
        ]
    )
