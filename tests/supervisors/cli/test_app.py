"""The program by its three names: the console script, `python -m greenroom` anywhere, `python -m supervisors` here."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
SCRIPT = str(Path(sys.executable).parent / "greenroom")


@pytest.mark.parametrize(
    ("program", "in_the_checkout"),
    [
        ([SCRIPT], False),
        ([sys.executable, "-m", "greenroom"], False),
        ([sys.executable, "-m", "greenroom"], True),
        ([sys.executable, "-m", "supervisors"], True),
    ],
)
def test_it_runs(program: list[str], in_the_checkout: bool, tmp_path: Path) -> None:
    folder = ROOT if in_the_checkout else tmp_path
    run = subprocess.run([*program, "--help"], cwd=folder, capture_output=True, text=True, timeout=60)
    assert run.returncode == 0 and "serve" in run.stdout, run
