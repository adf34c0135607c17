"""What is loaded is not looked through for garbage, then or later; what comes afterwards is."""

import gc
import tomllib
from collections.abc import Iterator

import pytest

from greenroom.supervisors.cli import app, entry
from tests.e2e.server import ROOT


@pytest.fixture(autouse=True)
def collecting() -> Iterator[None]:
    yield
    gc.enable()


@pytest.mark.parametrize("collects", [True, False])
def test_it_collects_afterwards_as_it_did_before(collects: bool) -> None:
    (gc.enable if collects else gc.disable)()
    frozen = gc.get_freeze_count()
    with pytest.raises(ImportError), entry.loading():
        kept: list[list[int]] = [[] for _ in range(1_000)]
        assert not gc.isenabled()
        raise ImportError
    assert gc.isenabled() == collects
    assert gc.get_freeze_count() >= frozen + len(kept)


def test_the_console_script_collects_what_a_command_leaves(monkeypatch: pytest.MonkeyPatch) -> None:
    collects: list[bool] = []
    monkeypatch.setattr(app, "main", lambda: collects.append(gc.isenabled()))
    entry.main()
    assert collects == [True]
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    assert scripts == {"greenroom": f"{entry.__name__}:main"}
