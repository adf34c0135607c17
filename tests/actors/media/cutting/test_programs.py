"""Programs with limits."""

import contextlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from greenroom.actors.media.cutting import programs
from greenroom.actors.media.cutting.programs import Failed, Limits, TookTooMuch, Unable, run

LIMITS = Limits(memory_bytes=512 << 20, run_s=20.0, file_bytes=1 << 20)


def python(code: str, limits: Limits = LIMITS, folder: Path = Path("/tmp")) -> str:
    return run([sys.executable, "-I", "-S", "-c", code], limits, folder)


def test_its_output_is_handed_over_line_by_line_and_what_hears_it_may_end_it(tmp_path: Path) -> None:
    lines: list[str] = []
    command = [sys.executable, "-I", "-S", "-c", "print(1); print(2)"]
    assert run(command, LIMITS, tmp_path, lines.append) == "1\n2\n" and lines == ["1", "2"]

    def enough(line: str) -> None:
        raise KeyError(line)

    endless = "import os\nprint(os.getpid(), flush=True)\nwhile True: pass"
    with pytest.raises(KeyError) as said:
        run([sys.executable, "-I", "-S", "-c", endless], LIMITS, tmp_path, enough)
    with pytest.raises(ProcessLookupError):
        os.kill(int(said.value.args[0]), 0)


def test_it_sees_no_credentials_and_nobody_speaks_to_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hush")
    said = python("import os, sys; print(sorted(os.environ), repr(sys.stdin.read()))", folder=tmp_path)
    assert "AWS" not in said and said.startswith("['HOME', 'L") and said.endswith("''\n")


@pytest.mark.bound("memory of a program that reads an upload")
def test_one_that_takes_too_much_memory_is_ended(tmp_path: Path) -> None:
    python("x = bytearray(100 << 20)", folder=tmp_path)
    with pytest.raises(TookTooMuch):
        python("x = bytearray(600 << 20)", folder=tmp_path)


@pytest.mark.bound("time of a program that reads an upload")
@pytest.mark.parametrize(
    ("code", "idle_share", "raises"),  # far from what either has, for on a busy machine one that works gets little
    [("while True: pass", 0.001, TookTooMuch), ("import time; time.sleep(60)", 0.9, Unable)],
    ids=["works", "sleeps"],
)
def test_one_that_takes_too_long_is_ended(
    code: str, idle_share: float, raises: type[Exception], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(programs, "IDLE_SHARE", idle_share)
    short = Limits(memory_bytes=512 << 20, run_s=1.0, file_bytes=1 << 20)
    with pytest.raises(raises):
        python(code, short, tmp_path)


def test_one_that_writes_too_much_is_ended(tmp_path: Path) -> None:
    with pytest.raises(TookTooMuch):
        python("open('large', 'wb').write(bytes(2 << 20))", folder=tmp_path)
    assert (tmp_path / "large").stat().st_size <= 1 << 20


def test_the_end_of_its_complaints_is_why_it_has_failed(tmp_path: Path) -> None:
    with pytest.raises(Failed, match=r"no such thing$") as failed:
        python("import sys; sys.exit('x' * 9_000 + 'no such thing')", folder=tmp_path)
    assert len(str(failed.value)) <= programs.COMPLAINTS_MAX


def test_one_goes_down_with_whoever_has_begun_it(tmp_path: Path) -> None:
    """As a worker's process that is killed."""
    code = (
        "import os, sys\n"
        "from pathlib import Path\n"
        "from greenroom.actors.media.cutting.programs import Limits, run\n"
        "def heard(line):\n"
        "    print(line, flush=True)\n"
        "    os.kill(os.getpid(), 9)\n"
        "said = [sys.executable, '-I', '-S', '-c', 'import os, time; print(os.getpid(), flush=1); time.sleep(600)']\n"
        f"run(said, Limits(512 << 20, 600.0, 1 << 20), Path({str(tmp_path)!r}), heard)\n"
    )

    killed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30)
    assert killed.returncode == -9, killed.stderr
    process = int(killed.stdout)
    with contextlib.suppress(FileNotFoundError):
        while Path(f"/proc/{process}/stat").read_text().split()[2] != "Z":
            pass


@pytest.mark.parametrize("signal", ["SIGKILL", "SIGTERM"])
def test_a_kill_that_is_none_of_ours_says_nothing_of_the_file(tmp_path: Path, signal: str) -> None:
    """As of the kernel, where the machine has no memory left."""
    with pytest.raises(Unable):
        python(f"import os, signal; os.kill(os.getpid(), signal.{signal})", folder=tmp_path)


def test_one_that_falls_over_what_is_in_a_file_has_taken_too_much(tmp_path: Path) -> None:
    with pytest.raises(TookTooMuch):
        python("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", folder=tmp_path)


def test_one_that_is_not_there_says_nothing_of_the_file(tmp_path: Path) -> None:
    with pytest.raises(Unable, match=r"not begun: .Errno 2"):
        run([str(tmp_path / "none")], LIMITS, tmp_path)
    with pytest.raises(Failed):
        python("import sys; sys.exit(127)", folder=tmp_path)


@pytest.mark.parametrize("complaint", programs.OURS)
def test_what_is_wrong_here_says_nothing_of_the_file(tmp_path: Path, complaint: str) -> None:
    with pytest.raises(Unable):
        python(f"import sys; sys.exit('[out#0] it has ended: {complaint}')", folder=tmp_path)


def test_what_it_complains_of_names_no_folder_of_ours(tmp_path: Path) -> None:
    with pytest.raises(Failed) as failed:
        python(f"import sys; sys.exit('{tmp_path}/original: is none')", folder=tmp_path)
    assert str(failed.value) == "original: is none"
