"""The modules of the admin page that only decide and show, in Node: tests/js/admin_modules.mjs."""

import shutil
import subprocess
from pathlib import Path

from tests.e2e.conftest import need

JS = Path(__file__).parents[2] / "js"


def test_they_decide_and_show_as_they_should() -> None:
    need("Node", shutil.which("node") is not None)
    ran = subprocess.run(["node", "admin_modules.mjs"], cwd=JS, capture_output=True, text=True, check=False)
    assert ran.returncode == 0 and "8 tested" in ran.stdout, ran.stderr
