"""`greenroom token`, run as users run it."""

from pathlib import Path

from tests.faults.process.command_line import CommandLine


def test_a_token_for_nobody_is_refused_and_says_what_is_missing(command_line: CommandLine, tmp_path: Path) -> None:
    ran = command_line.run(["token", ""], folder=tmp_path)
    assert (ran.status, ran.out) == (2, "")
    assert "SUBJECT is empty" in ran.err and "Traceback" not in ran.err


def test_a_token_for_somebody_is_printed_alone(command_line: CommandLine, tmp_path: Path) -> None:
    ran = command_line.run(["token", "ann", "--role", "admin"], folder=tmp_path)
    assert ran.status == 0
    assert len(ran.out.strip().split(".")) == 3 and "\n" not in ran.out.strip()
