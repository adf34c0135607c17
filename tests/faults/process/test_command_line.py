"""The command line, with a server running and without one."""

import json
import re
import time
from pathlib import Path

import jwt
import pytest

from greenroom.actors.chat.room import Room
from tests.e2e.server import Server
from tests.faults.peer import upgraded
from tests.faults.process.command_line import CommandLine

COMMANDS = (
    "serve",
    "new",
    "token",
    "migrate",
    "new-generation",
    "status",
    "explain",
    "entities",
    "schema",
    "dead-letters",
    "views",
    "jobs",
    "queues",
    "demo",
)


def test_help_names_every_command_and_what_it_takes(command_line: CommandLine) -> None:
    shown = command_line.run(["--help"])
    assert shown.status == 0 and shown.err == ""
    for name in COMMANDS:
        assert name in shown.out
    for arguments, words in {
        ("serve",): ("--host", "--port", "--nodes", "--data-dir", "GREENROOM_PORT", "GREENROOM_DATA_DIR", "drain"),
        ("serve", "--reload"): ("--reload", "GREENROOM_ENV=local", "GREENROOM_ENTITIES"),
        ("new",): ("NAME", "entity", "tests", "Makefile"),
        ("new-generation",): ("backup",),
        ("token",): ("SUBJECT", "--role", "--ttl"),
        ("migrate",): ("--check",),
        ("status",): ("--url",),
        ("explain",): ("ENTITY", "--json", "--url", "--token", "why"),
        ("entities",): ("limits", "--markdown", "GREENROOM_ENTITIES"),
        ("schema",): ("--check", "--update", "--stored", "--lock", "--force"),
        ("dead-letters",): ("list", "show", "retry", "drop"),
        ("views",): ("--json", "rebuild", "pause", "resume", "retry-parked", "drop-old", "parked"),
        ("views", "retry-parked"): ("NAME", "--entity"),
        ("demo", "social"): ("--users", "--seed", "--at-once", "--server", "GREENROOM_ENTITIES"),
        ("jobs",): ("list", "show", "add", "retry", "cancel", "edit", "drop"),
        ("jobs", "list"): ("--queue", "--state", "--kind", "--key", "--search", "--since", "--json", "--server"),
        ("jobs", "retry"): ("ID", "--dry-run", "--yes", "--search"),
        ("queues",): ("list", "show", "pause", "resume", "limit", "drain"),
        ("queues", "limit"): ("--concurrency", "--per-key", "--rate", "--weight"),
        ("dead-letters", "list"): ("--entity", "--kind", "--type", "--json"),
        ("dead-letters", "retry"): ("ID", "--entity", "--all", "--wait"),
    }.items():
        shown = command_line.run([*arguments, "--help"])
        assert shown.status == 0 and shown.err == ""
        for word in words:
            assert word in shown.out, (arguments, word)


@pytest.mark.parametrize(
    "arguments",
    [
        "",
        "fly",
        "token",
        "token ann --ttl 0",
        "migrate now",
        "dead-letters",
        "dead-letters show",
        "dead-letters show x",
        "explain",
    ],
)
def test_bad_usage_is_status_2(command_line: CommandLine, arguments: str) -> None:
    ran = command_line.run(arguments.split())
    assert ran.status == 2 and "Traceback" not in ran.err
    assert "Usage" in ran.err + ran.out


def test_entities_lists_kinds_commands_events_and_limits(command_line: CommandLine) -> None:
    shown = command_line.run(["entities"], {"GREENROOM_ENTITIES": "tests.faults.entities"})
    assert shown.status == 0 and shown.err == ""
    for kind in ("room", "session", "faulty", "slow"):
        assert re.search(rf"^{kind} ", shown.out, re.MULTILINE), kind
    for message in Room.commands:
        assert str(message.__struct_config__.tag).partition(".")[2] in shown.out
    for word in ("faulty.said", "unless_gone", "mailbox_messages", "history_s"):
        assert word in shown.out
    assert command_line.run(["entities"], {"GREENROOM_ENTITIES": "no.such"}).status == 2


def test_a_token_made_before_the_first_start_is_accepted_after_it(
    command_line: CommandLine, new_server: Server
) -> None:
    made = command_line.greenroom(new_server, "token", "ann", "--role", "a", "--role", "b", "--ttl", "60")
    assert made.status == 0 and made.err == ""
    token = made.out.strip()
    claims = jwt.decode(token, options={"verify_signature": False})
    assert claims["sub"] == "ann" and abs(claims["exp"] - time.time() - 60) < 10
    assert json.dumps(claims["roles"]) == '["a", "b"]'
    new_server.start()
    with upgraded(new_server) as peer:
        assert "connect" in peer.ask(connect={"token": token})


def test_tokens_need_a_secret_to_sign_with(command_line: CommandLine, tmp_path: Path) -> None:
    settings = {"GREENROOM_DATA_DIR": str(tmp_path), "GREENROOM_AUTH_SECRET": "long enough a secret for HS256 of tests"}
    assert command_line.run(["token", "ann"], settings | {"GREENROOM_ENV": "staging"}).status == 0
    none = command_line.run(["token", "ann"], {"GREENROOM_ENV": "staging", "GREENROOM_DATA_DIR": str(tmp_path)})
    assert none.status == 2 and "GREENROOM_AUTH_SECRET" in none.err
    assert not list(tmp_path.iterdir())  # a given secret is not written anywhere


def test_the_database_alone(command_line: CommandLine, new_server: Server) -> None:
    """No server runs: its database is started for the moment, and stopped again."""
    early = command_line.greenroom(new_server, "migrate", "--check")
    assert early.status == 1 and "not up to date" in early.out
    letters = command_line.greenroom(new_server, "dead-letters", "list")
    assert letters.status == 1 and "greenroom migrate" in letters.err and "Traceback" not in letters.err
    migrated = command_line.greenroom(new_server, "migrate")
    assert migrated.status == 0 and migrated.out == "migrated\n"
    again = command_line.greenroom(new_server, "migrate")
    assert again.status == 0 and again.out == "already up to date\n"
    assert command_line.greenroom(new_server, "migrate", "--check").status == 0
    assert command_line.greenroom(new_server, "dead-letters", "list").status == 0
    assert not (new_server.data / "postgres" / "postmaster.pid").exists()


def test_with_a_server_running(command_line: CommandLine, server: Server) -> None:
    checked = command_line.greenroom(server, "migrate", "--check")
    assert checked.status == 0 and checked.out == "up to date\n"
    assert command_line.greenroom(server, "migrate").out == "already up to date\n"
    shown = command_line.greenroom(server, "status", "--url", server.url)
    assert shown.status == 0 and shown.err == ""
    health = server.request("GET", "/health").body
    for word in (health["node"], "ok", "reached", str(health["shards"])):
        assert word in shown.out
    missing = command_line.greenroom(server, "dead-letters", "show", "999999")
    assert missing.status == 1 and "999999" in missing.err


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ("serve --port eighty", "--port"),
        ("serve --port 70000", "GREENROOM_PORT"),
        ("serve --nodes 257", "GREENROOM_NODES"),
        ("serve --nodes 2 --reload", "--reload"),
        ("serve --reload=yes", "--reload"),
        ("token ann --ttl long", "--ttl"),
        ("dead-letters list --limit 0", "--limit"),
        ("dead-letters retry --wait -1", "--wait"),
        ("dead-letters drop", "--all"),
        ("schema --check --update", "--check"),
        ("schema --stored --megabytes 0", "--megabytes"),
        ("entities --json", "--json"),
        ("new", "NAME"),
    ],
)
def test_bad_usage_names_what_is_wrong(command_line: CommandLine, tmp_path: Path, arguments: str, named: str) -> None:
    ran = command_line.run(arguments.split(), {"GREENROOM_DATA_DIR": str(tmp_path / "data")}, folder=tmp_path)
    assert ran.status == 2 and named in ran.err and "Traceback" not in ran.err, ran
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("url", ["http://127.0.0.1:1", "http://no.such.host.invalid", "nonsense"])
def test_status_of_nobody(command_line: CommandLine, url: str) -> None:
    ran = command_line.run(["status", "--url", url])
    assert ran.status == 1 and url in ran.err and "Traceback" not in ran.err


def test_a_database_that_does_not_answer(command_line: CommandLine, tmp_path: Path) -> None:
    settings = {"GREENROOM_DATABASE_URL": "postgresql://ann:hunter2@127.0.0.1:1/x"}
    for arguments in (["migrate"], ["migrate", "--check"], ["dead-letters", "list"]):
        ran = command_line.run(arguments, settings)
        assert ran.status == 1 and "GREENROOM_DATABASE_URL" in ran.err, ran
        assert "Traceback" not in ran.err and "hunter2" not in ran.err
