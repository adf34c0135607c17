"""Dead children that nobody waits for, made by a double fork under a subreaper: process 1 in the small."""

import os
import subprocess
import sys
import textwrap

import pytest

from greenroom.supervisors.duties.reaper import LOOKS, Reaper

ORPHANS = """
    import ctypes, os, subprocess, sys, time
    from pathlib import Path
    from greenroom.supervisors.duties.reaper import LOOKS, Reaper

    assert ctypes.CDLL(None).prctl(36, 1, 0, 0, 0) == 0  # PR_SET_CHILD_SUBREAPER: orphans come to us, as to process 1
    mine = subprocess.Popen(["true"])
    if os.fork() == 0:
        if os.fork() == 0:
            time.sleep(0.05)
        os._exit(0)

    def dead():
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                state, parent = (folder / "stat").read_text().rpartition(")")[2].split()[:2]
            except OSError:
                continue
            if state == "Z" and int(parent) == os.getpid():
                found.append(int(folder.name))
        return found

    until = time.monotonic() + 10
    while len(dead()) < 3:  # `mine`, the child, and the grandchild
        assert time.monotonic() < until, dead()
    reaper = Reaper(needed=True)
    for _ in range(LOOKS - 1):
        assert reaper.look() == []
    assert mine.wait() == 0  # whoever started one asks in time, and hears how it ended
    assert len(reaper.look()) == 2
    assert dead() == [], dead()
    print("done")
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs Linux's /proc and subreapers")
def test_the_dead_that_nobody_waits_for_are_buried() -> None:
    code = textwrap.dedent(ORPHANS)
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=False)
    assert (ran.returncode, ran.stdout) == (0, "done\n"), ran.stderr


def test_elsewhere_than_in_process_1_nothing_is_touched() -> None:
    child = subprocess.Popen(["true"])
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    reaper = Reaper()
    assert [reaper.look() for _ in range(LOOKS + 1)] == [[]] * (LOOKS + 1)
    assert child.wait() == 0
