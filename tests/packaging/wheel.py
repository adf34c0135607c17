"""A wheel of this checkout, and an environment that has nothing but it and what it depends on."""

import compileall
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGES = ("config", "store", "actors", "transports", "supervisors")
BUILD = "import sys; from setuptools import build_meta; print(build_meta.build_wheel(sys.argv[1]))"
BUILD_S = 120
INSTALL_S = 120


def build_wheel(folder: Path) -> Path:
    """The wheel, built in a copy: what an earlier build has left in the checkout must not get into it. It has been run,
    and what Python leaves behind must not get into it either."""
    source = folder / "source"
    source.mkdir(parents=True)
    for package in PACKAGES:
        shutil.copytree(ROOT / package, source / package)  # with what is compiled of it already
    for path in (*ROOT.glob("*.py"), *(ROOT / name for name in ("pyproject.toml", "LICENSE", "py.typed"))):
        shutil.copy(path, source)
    assert compileall.compile_dir(source, quiet=1)
    run = subprocess.run(
        [sys.executable, "-c", BUILD, str(folder)], cwd=source, capture_output=True, text=True, timeout=BUILD_S
    )
    assert run.returncode == 0, run.stdout + run.stderr
    return folder / run.stdout.splitlines()[-1]


class Environment:
    """A virtual environment with the wheel installed. The dependencies are those of the tests' own, without ours.

    Its path to them ends in a `.pth` file; the finder of our editable install is not on it, since Python reads such
    files only in an environment's own folder.
    """

    def __init__(self, folder: Path, wheel: Path) -> None:
        self.bin = folder / "bin"
        self.python = self.bin / "python"
        _run(sys.executable, "-m", "venv", str(folder))
        _run(str(self.python), "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", str(wheel))
        site_packages = _run(str(self.python), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))")
        (Path(site_packages.strip()) / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")


def _run(*command: str) -> str:
    run = subprocess.run(command, capture_output=True, text=True, timeout=INSTALL_S)
    assert run.returncode == 0, run.stdout + run.stderr
    return run.stdout
