"""The container file: what its linter takes, what of the lock goes into an image, and what the image says of itself."""

import re
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from greenroom.config.settings import Settings
from greenroom.config.settings.texts import variable
from tests.deploy.test_kubernetes import IMAGE

ROOT = Path(__file__).parents[2]
FILE = ROOT / "deploy" / "Containerfile"
PROGRAM = ROOT / "deploy" / "runtime_requirements.py"
HADOLINT = Path(sys.executable).parent / "hadolint"


def picked(*roots: str) -> str:
    command = [sys.executable, str(PROGRAM), str(ROOT / "requirements.lock"), *roots]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def names(lock: str) -> set[str]:
    return {canonicalize_name(name) for name in re.findall(r"^([A-Za-z0-9._-]+)==", lock, re.MULTILINE)}


def installed_for(name: str) -> set[str]:
    """Greenroom, as an index would install it here: the names of all that it needs."""
    found: set[str] = set()
    waiting = [Requirement(name)]
    while waiting:
        one = waiting.pop()
        try:
            needed = distribution(one.name).requires or []
        except PackageNotFoundError:
            continue
        for text in needed:
            requirement = Requirement(text)
            extras = ("", *one.extras)
            if requirement.marker is None or any(requirement.marker.evaluate({"extra": extra}) for extra in extras):
                if canonicalize_name(requirement.name) not in found:
                    waiting.append(requirement)
                found.add(canonicalize_name(requirement.name))
    return found


def test_its_linter_takes_it() -> None:
    ran = subprocess.run([HADOLINT, str(FILE)], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_all_that_greenroom_needs_goes_into_the_image_and_nothing_of_the_tests() -> None:
    found = names(picked())
    assert installed_for("greenroom[otlp,kafka,media]") <= found
    assert not found & {"pytest", "mypy", "ruff", "hypothesis", "numpy", "matplotlib", "setuptools", "uv"}


def test_each_entry_keeps_its_version_marker_and_hashes() -> None:
    lock = (ROOT / "requirements.lock").read_text()
    for entry in re.split(r"^(?=[A-Za-z0-9])", picked(), flags=re.MULTILINE)[1:]:
        assert entry in lock and "--hash=sha256:" in entry


def test_what_builds_the_wheel_is_there_with_its_hashes() -> None:
    assert names(picked("setuptools")) == {"setuptools"}
    with pytest.raises(subprocess.CalledProcessError):
        picked("no-such-package")


def test_it_is_not_root_and_says_how_to_see_that_it_lives() -> None:
    text = re.sub(r"\\\n", " ", FILE.read_text())
    last = text.rpartition("\nFROM ")[2]
    user = re.search(r"^USER (\d+):(\d+)$", last, re.MULTILINE)
    assert user is not None and int(user[1]) > 0 and int(user[2]) > 0
    assert "/health" in last and "ENTRYPOINT" in last and "COPY . ." not in last, "built in the first stage alone"
    told = dict(re.findall(r"(GREENROOM_\w+)=(\S+)", last))
    assert told.keys() <= {variable(name) for name in Settings.model_fields}
    assert IMAGE.items() <= told.items() and told["GREENROOM_ENV"] == "production"
    assert f"EXPOSE {told['GREENROOM_PORT']}" in last


def test_what_it_copies_is_not_ignored() -> None:
    """And tests, data folders, secrets and environments are."""
    allowed = re.findall(r"^!(.+)$", (ROOT / ".dockerignore").read_text(), re.MULTILINE)
    assert all((ROOT / name).exists() for name in allowed)
    assert "deploy/runtime_requirements.py" in allowed and "requirements.lock" in allowed
    assert not {"tests", "bench", "deploy", ".env", ".greenroom", ".venv", ".git"} & set(allowed)
