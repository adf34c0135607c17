"""`greenroom new`: what it writes is whole and passes what a careful person would hold it to; what it refuses."""

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from greenroom.supervisors.cli.new import NAME_MAX, local_makefile
from greenroom.supervisors.cli.terminal.version import VERSION
from tests.faults.process.command_line import CommandLine

ROOT = Path(__file__).parents[3]
TYPED = os.environ | {"MYPYPATH": str(ROOT / ".venv" / "typed")}
LONGEST = "a-name-as-long-as-they-may-be0"


def passes(folder: Path, *command: str) -> str:
    environment = {name: value for name, value in TYPED.items() if not name.startswith(("GREENROOM", "MAKE"))}
    run = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=120)
    assert run.returncode == 0, run.stdout + run.stderr
    return run.stdout


def made(command_line: CommandLine, tmp_path: Path, name: str) -> Path:
    """A new project's folder, which passes the style: its lines are as long as its name makes them."""
    ran = command_line.run(["new", name], folder=tmp_path)
    assert ran.status == 0 and ran.err == ""
    folder, module = tmp_path / name, name.replace("-", "_")
    written = {path.name for path in folder.iterdir()}
    assert written == {
        f"{module}.py",
        f"test_{module}.py",
        *("Makefile", "README.md", "pyproject.toml", ".gitignore", "local.mk"),
    }
    for path in written:
        assert path in ran.out
        assert not re.search(r"@\w+@", (folder / path).read_text()), path  # every mark was filled
    for step in (f"cd {name}", "make test", "make serve", f"/api/{module}/corner/post"):
        assert step in ran.out
    passes(folder, sys.executable, "-m", "ruff", "check", "--no-cache", ".")
    passes(folder, sys.executable, "-m", "ruff", "format", "--no-cache", "--check", ".")
    return folder


def test_a_new_project_passes_its_tests_the_style_and_the_types(
    command_line: CommandLine, tmp_path: Path, mypy_cache: Path
) -> None:
    folder = made(command_line, tmp_path, "shop")
    assert "passed" in passes(folder, "make", "test", "ARGS=-p no:cacheprovider -rA")
    assert not (folder / ".venv").exists()  # this environment has all it needs
    passes(folder, sys.executable, "-m", "mypy", "--cache-dir", str(mypy_cache), ".")


def test_one_with_the_longest_name_passes_the_style(command_line: CommandLine, tmp_path: Path) -> None:
    made(command_line, tmp_path, LONGEST)


def test_it_depends_on_this_version_and_commits_nothing_of_this_machine(
    command_line: CommandLine, tmp_path: Path
) -> None:
    assert command_line.run(["new", "shop"], folder=tmp_path).status == 0
    folder = tmp_path / "shop"
    project = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
    assert project["name"] == "shop" and project["dependencies"] == [f"greenroom=={VERSION}"]
    ignored = (folder / ".gitignore").read_text().split()
    assert {".env", ".greenroom/", ".venv/", "local.mk"} <= set(ignored)
    for path in folder.iterdir():
        if path.name not in ignored:
            assert sys.prefix not in path.read_text() and str(tmp_path) not in path.read_text(), path
    assert f"PYTHON := {sys.executable}\n" in (folder / "local.mk").read_text()


def test_without_what_this_machine_says_nothing_is_installed_by_name(command_line: CommandLine, tmp_path: Path) -> None:
    assert command_line.run(["new", "shop"], folder=tmp_path).status == 0
    folder = tmp_path / "shop"
    (folder / "local.mk").write_text("PYTHON := /usr/bin/false\n")  # an environment without Greenroom
    run = subprocess.run(["make", "test"], cwd=folder, capture_output=True, text=True, timeout=60)
    assert run.returncode == 2 and "README.md" in run.stderr
    assert not (folder / ".venv").exists()
    assert "GREENROOM := " in (folder / "README.md").read_text()


def test_the_entity_is_found_by_the_setting_that_the_makefile_has(command_line: CommandLine, tmp_path: Path) -> None:
    assert command_line.run(["new", "my-shop"], folder=tmp_path).status == 0
    assert "export GREENROOM_ENTITIES := my_shop\n" in (tmp_path / "my-shop" / "Makefile").read_text()
    shown = command_line.run(["entities"], {"GREENROOM_ENTITIES": "my_shop"}, folder=tmp_path / "my-shop")
    assert shown.status == 0 and "my_shop.posted" in shown.out


def test_nothing_is_overwritten(command_line: CommandLine, tmp_path: Path) -> None:
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "shop.py").write_text("mine")
    (tmp_path / "depot").write_text("mine too")
    for name in ("shop", "depot"):
        ran = command_line.run(["new", name], folder=tmp_path)
        assert ran.status == 1 and ran.err == f"greenroom: {name} is there already: nothing was written\n"
    assert [path.name for path in (tmp_path / "shop").iterdir()] == ["shop.py"]


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("Shop", "no name for a project"),
        ("9lives", "no name for a project"),
        ("../shop", "no name for a project"),
        ("shop/", "no name for a project"),
        ("my--shop", "no name for a project"),
        ("ларёк", "no name for a project"),
        ("x" * (NAME_MAX + 1), "at most"),
        ("class", "Python's own"),
        ("match", "Python's own"),
        ("queue", "Python's own"),
        ("room", "Greenroom's own"),
        ("saga", "Greenroom's own"),
        ("setup", "installs projects"),
        ("build", "installs projects"),
        ("test-shop", "taken for tests"),
        ("msgspec", "installed already"),
    ],
)
def test_a_bad_name_is_refused_with_its_reason(command_line: CommandLine, tmp_path: Path, name: str, why: str) -> None:
    ran = command_line.run(["new", name], folder=tmp_path)
    assert ran.status == 2 and "NAME" in ran.err and why in ran.err and "Traceback" not in ran.err
    assert list(tmp_path.iterdir()) == []


def test_without_a_name_the_usage_is_shown(command_line: CommandLine, tmp_path: Path) -> None:
    ran = command_line.run(["new"], folder=tmp_path)
    assert ran.status == 2 and "NAME" in ran.err


def test_what_make_would_read_otherwise_is_escaped() -> None:
    text = local_makefile("/opt/a$b/#1/python", Path("/wheels/greenroom.whl"))
    assert r"PYTHON := /opt/a$$b/\#1/python" in text and "GREENROOM := /wheels/greenroom.whl\n" in text
    assert "GREENROOM" not in local_makefile("python3", None).partition("PYTHON")[2]
