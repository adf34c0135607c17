"""What a wheel holds: every folder of ours is listed in pyproject.toml, and nothing else."""

import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
ORDER = ("config", "store", "actors", "transports", "supervisors")


def test_every_package_is_listed() -> None:
    listed = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    found = [
        ".".join(("greenroom", *init.parent.relative_to(ROOT).parts))
        for package in ORDER
        for init in (ROOT / package).rglob("__init__.py")
    ]
    assert sorted(listed) == sorted(["greenroom", *found])


def test_every_folder_with_modules_is_a_package() -> None:
    """But for the migrations, which Alembic reads as files."""
    without = {
        path.parent.relative_to(ROOT)
        for package in ORDER
        for path in (ROOT / package).rglob("*.py")
        if not (path.parent / "__init__.py").exists()
    }
    assert {folder for folder in without if folder.parts[:2] != ("store", "migrations")} == set()
