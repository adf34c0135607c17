"""Runs the tests of the pages' JavaScript modules, which need no browser: only Node (20 or newer)."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

import greenroom.transports.pages

STATIC = Path(greenroom.transports.pages.__file__).parent / "static"


@pytest.mark.parametrize("script", ["modules.test.mjs", "social.test.mjs"])
def test_modules(script: str) -> None:
    node = shutil.which("node")
    if node is None:
        if os.environ.get("GREENROOM_TEST_ALL") == "1":
            pytest.fail("Node is missing")
        pytest.skip("needs Node")
    tests = Path(__file__).with_name(script)
    done = subprocess.run(
        [node, "--test", str(tests)],
        env={**os.environ, "STATIC": str(STATIC)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-8_000:] + done.stderr[-2_000:]
