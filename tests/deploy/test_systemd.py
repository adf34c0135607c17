"""The units: what systemd takes, and that they give a node the time that it needs."""

import configparser
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from greenroom.config.settings import Settings
from greenroom.config.settings.texts import variable
from tests.e2e.conftest import need

DEPLOY = Path(__file__).parents[2] / "deploy"
UNITS = ("greenroom.service", "greenroom@.service")
ANALYZE = shutil.which("systemd-analyze")
GOODBYE_S = 2
LEAVING_S = 5


def unit(name: str) -> configparser.ConfigParser:
    found = configparser.ConfigParser(strict=False, interpolation=None, delimiters=("=",))
    found.optionxform = str  # type: ignore[assignment,method-assign]
    found.read(DEPLOY / name)
    return found


@pytest.mark.parametrize("name", UNITS)
def test_systemd_takes_it(name: str, tmp_path: Path) -> None:
    """With programs that are there."""
    need("systemd-analyze (Debian's systemd)", ANALYZE is not None)
    assert ANALYZE is not None
    text = (DEPLOY / name).read_text()
    for was, now in (("/opt/greenroom/.venv/bin/greenroom", "/bin/true"), ("/usr/bin/curl", "/bin/true")):
        text = text.replace(was, now)
    file = tmp_path / name.replace("@.", "@8001.")
    file.write_text(text)
    ran = subprocess.run([ANALYZE, "verify", str(file)], capture_output=True, text=True, check=False)
    told = [line for line in ran.stderr.splitlines() if file.name in line]
    assert ran.returncode == 0 and told == [], ran.stderr


@pytest.mark.parametrize("name", UNITS)
def test_a_node_has_time_to_drain_and_is_started_again(name: str) -> None:
    service = unit(name)["Service"]
    drain_s = Settings.model_fields["drain_s"].default
    assert float(service["TimeoutStopSec"]) >= drain_s + GOODBYE_S + LEAVING_S
    assert (service["Restart"], service["KillSignal"]) == ("always", "SIGTERM")
    assert service["User"] != "root" and service["NoNewPrivileges"] == "true"


def test_what_both_units_say_is_the_same() -> None:
    """But for what makes one of several of it."""
    one, several = unit(UNITS[0])["Service"], unit(UNITS[1])["Service"]
    differing = {name for name in one.keys() | several.keys() if one.get(name) != several.get(name)}
    assert differing == {"ExecStart", "ExecStartPost", "Environment", "EnvironmentFile", "TimeoutStartSec"}


@pytest.mark.parametrize("name", UNITS)
def test_every_setting_that_it_names_is_one(name: str) -> None:
    named = set(re.findall(r"GREENROOM_[A-Z_]+[A-Z]", (DEPLOY / name).read_text()))
    assert named <= {variable(field) for field in Settings.model_fields}
