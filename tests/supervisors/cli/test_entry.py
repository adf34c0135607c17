"""The console script begins there, and what a command leaves is collected as ever."""

import gc
import tomllib

import pytest

from greenroom.supervisors.cli import app, entry
from tests.e2e.server import ROOT


def test_the_console_script_collects_what_a_command_leaves(monkeypatch: pytest.MonkeyPatch) -> None:
    collects: list[bool] = []
    monkeypatch.setattr(app, "main", lambda: collects.append(gc.isenabled()))
    entry.main()
    assert collects == [True]
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    assert scripts == {"greenroom": f"{entry.__name__}:main"}
