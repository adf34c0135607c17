"""`greenroom demo social`, as users type it; tests/e2e/social/test_demo.py fills a server."""

from pathlib import Path

import pytest

from tests.faults.process.command_line import CommandLine

SECRET = "long enough a secret for HS256 of tests"


def test_help_says_what_it_makes_and_what_it_needs(command_line: CommandLine) -> None:
    assert "social" in command_line.run(["demo", "--help"]).out
    shown = command_line.run(["demo", "social", "--help"])
    assert shown.status == 0 and shown.err == ""
    for word in ("--users", "--seed", "--at-once", "--server", "--url", "GREENROOM_ENTITIES=greenroom.social", "1000"):
        assert word in shown.out, word


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--users", "0"], "--users"),
        (["--users", "many"], "--users"),
        (["--at-once", "1000"], "--at-once"),
        (["--server", "nonsense"], "--server"),
        (["--server", "https://example.org"], "nowhere else"),
    ],
)
def test_bad_usage_names_what_is_wrong(
    command_line: CommandLine, tmp_path: Path, arguments: list[str], named: str
) -> None:
    settings = {"GREENROOM_DATA_DIR": str(tmp_path / "data"), "GREENROOM_AUTH_SECRET": SECRET}
    ran = command_line.run(["demo", "social", *arguments], settings)
    assert ran.status == 2 and named in ran.err and "Traceback" not in ran.err, ran
    assert list(tmp_path.iterdir()) == []


def test_without_a_secret_nobody_signs(command_line: CommandLine, tmp_path: Path) -> None:
    settings = {"GREENROOM_ENV": "staging", "GREENROOM_DATA_DIR": str(tmp_path / "data")}
    ran = command_line.run(["demo", "social"], settings)
    assert ran.status == 2 and "GREENROOM_AUTH_SECRET" in ran.err


def test_where_no_server_is(command_line: CommandLine) -> None:
    settings = {"GREENROOM_AUTH_SECRET": SECRET}
    ran = command_line.run(["demo", "social", "--users", "1", "--server", "http://127.0.0.1:1"], settings)
    assert ran.status == 1 and "out of reach" in ran.err and SECRET not in ran.err
