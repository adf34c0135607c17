"""Handlers that raise, and handlers that never return: the message goes to the dead letters, all else goes on."""

import json
import re
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.server import Answer, Server, wait_until
from tests.faults.peer import connected, metric
from tests.faults.process.command_line import CommandLine, Ran

WORD = re.compile(r"^[│┃|\s]*(\d+)\s*[│|]\s*(\S+)\s", re.MULTILINE)  # id and entity of a table's row


def letters(command_line: CommandLine, server: Server, entity: str) -> list[int]:
    """The ids of the dead letters of an entity, newest first, as the command line lists them."""
    listed = command_line.greenroom(server, "dead-letters", "list", "--limit", "1000")
    assert listed.status == 0, listed
    return [int(number) for number, name in WORD.findall(listed.out) if name == entity]


def test_a_handler_that_raises_ends_among_the_dead_letters_and_the_mailbox_goes_on(
    server: Server, command_line: CommandLine, tmp_path: Path
) -> None:
    """Its events are never seen, the message gets three strikes, and what waits behind it is handled."""
    flag = tmp_path / "raise"
    flag.touch()
    entity = "faulty:raises"
    restarts = metric(server, "greenroom_restarts_total")
    with connected(server) as peer:
        before = [peer.command(rpc={"method": f"{entity}/say", "data": {"text": f"before {n}"}}) for n in range(3)]
        bad = peer.command(rpc={"method": f"{entity}/raise", "data": {"unless_gone": str(flag)}})
        after = [peer.command(rpc={"method": f"{entity}/say", "data": {"text": f"after {n}"}}) for n in range(3)]
        replies: dict[int, Any] = {}
        for message in peer.messages(pong=True):
            if "id" in message:
                replies[message["id"]] = message
            if len(replies) == 7:
                break
    assert [replies[one]["rpc"]["data"]["number"] for one in before] == [1, 2, 3]
    assert [replies[one]["rpc"]["data"]["number"] for one in after] == [4, 5, 6]
    assert replies[bad]["error"]["code"] == 100
    assert "ZeroDivision" not in json.dumps(replies[bad])  # what it is about stays in our logs
    texts = [one["data"]["text"] for one in server.history(entity)]
    assert texts == [*(f"before {n}" for n in range(3)), *(f"after {n}" for n in range(3))]
    assert metric(server, "greenroom_restarts_total") - restarts == 3

    wait_until(lambda: bool(letters(command_line, server, entity)), "the dead letter to be written")
    (number,) = letters(command_line, server, entity)
    shown = command_line.greenroom(server, "dead-letters", "show", str(number))
    assert shown.status == 0
    for word in (entity, "faulty.raise", "ZeroDivisionError", "told to raise", str(flag), "Traceback", "strikes: 3"):
        assert word in shown.out

    still = command_line.greenroom(server, "dead-letters", "retry", str(number))
    assert still.status == 1 and f"{number} failed again" in still.err and "ZeroDivisionError" in still.err, still
    assert letters(command_line, server, entity) == [number], "a retry that failed drops nothing, and adds nothing"

    flag.unlink()
    again = command_line.greenroom(server, "dead-letters", "retry", str(number))
    assert again == Ran(0, f"handled and dropped: {number}\n", "")
    assert [one["data"]["text"] for one in server.history(entity)] == [*texts, "never"]
    assert letters(command_line, server, entity) == []
    for command in ("show", "drop", "retry"):
        gone = command_line.greenroom(server, "dead-letters", command, str(number))
        assert gone.status == 1 and str(number) in gone.err


def test_many_dead_letters_at_once(server: Server, command_line: CommandLine, tmp_path: Path) -> None:
    flag = tmp_path / "raise"
    flag.touch()
    for name in ("many-a", "many-a", "many-b"):
        answer = server.request("POST", f"/api/faulty/{name}/raise", {"unless_gone": str(flag)}, user="[/ann]")
        assert answer.status == 500

    def listed(*conditions: str) -> Any:
        ran = command_line.greenroom(server, "dead-letters", "list", "--json", *conditions)
        assert ran.status == 0 and ran.err == ""
        return json.loads(ran.out)

    wait_until(lambda: len(listed("--entity", "faulty:many-b")) == 1, "the dead letters to be written")
    newest, oldest = listed("--entity", "faulty:many-a")
    assert oldest["payload"].items() >= {"type": "faulty.raise", "unless_gone": str(flag)}.items()
    assert (oldest["principal"], oldest["message_type"], oldest["strikes"]) == ("[/ann]", "faulty.raise", 3)
    assert "ZeroDivisionError" in oldest["traceback"] and oldest["at"].startswith("20")
    assert listed("--entity", "faulty:many-a", "--before", str(newest["id"])) == [oldest]
    assert listed("--entity", "faulty:many-a", "--type", "faulty.say") == []
    assert {one["entity"] for one in listed("--kind", "faulty")} >= {"faulty:many-a", "faulty:many-b"}
    more = command_line.greenroom(server, "dead-letters", "list", "--kind", "faulty", "--limit", "1")
    assert more.status == 0 and "--before" in more.out

    flag.unlink()
    retried = command_line.greenroom(server, "dead-letters", "retry", "--entity", "faulty:many-a", "--json")
    assert retried.status == 0, retried
    assert json.loads(retried.out) == [
        {"id": oldest["id"], "outcome": "handled", "error": ""},
        {"id": newest["id"], "outcome": "handled", "error": ""},
    ]
    (last,) = listed("--entity", "faulty:many-b")
    partly = command_line.greenroom(server, "dead-letters", "drop", str(last["id"]), str(newest["id"]))
    assert partly.status == 1 and partly.out == f"dropped {last['id']}\n" and str(newest["id"]) in partly.err
    for command in ("drop", "retry"):
        none = command_line.greenroom(server, "dead-letters", command, "--entity", "faulty:many-b")
        assert none.status == 1 and "no dead letter of that sort" in none.err
        for vague in ([], ["--all", "--kind", "faulty"]):
            refused = command_line.greenroom(server, "dead-letters", command, *vague)
            assert refused.status == 2 and "say which" in refused.err


@pytest.mark.parametrize(
    ("kind", "command", "fields"),
    [("faulty", "spin", {}), ("faulty", "spin", {"swallow": True}), ("slow", "spin", {})],
    ids=["while True", "and swallows exceptions", "in an async handler"],
)
def test_a_handler_that_never_returns_is_interrupted(
    server: Server, command_line: CommandLine, room: str, kind: str, command: str, fields: dict[str, Any]
) -> None:
    entity = f"{kind}:spins-{len(fields)}"
    # Asleep on the wire all the while: it must come through.
    with connected(server, "watcher") as watcher:
        watcher.ask(subscribe={"channel": room})
        answers: list[Answer] = []

        def spin() -> None:
            path = f"/api/{entity.replace(':', '/')}/{command}"
            answers.append(server.request("POST", path, fields, headers={"X-Request-Timeout": "30"}))

        spinning = threading.Thread(target=spin)
        began = time.monotonic()
        spinning.start()
        sent = server.command(room, "send", {"text": "meanwhile"})
        spinning.join()
        assert answers[0].status == 500, answers
        assert time.monotonic() - began < 8  # 0.5 s of spinning each time, on a busy machine
        assert sent["offset"] == 2
        for message in watcher.messages(pong=True):
            if message.get("push", {}).get("pub", {}).get("offset") == 2:
                break
    if kind == "faulty":
        assert server.command(entity, "say", {"text": "alive"}) == {"number": 1}
    else:
        assert server.command(entity, "work", {"name": "alive"}) == {"number": 1}
    wait_until(lambda: len(letters(command_line, server, entity)) == 1, "the dead letter to be written")
    (number,) = letters(command_line, server, entity)
    assert "HandlerStuck" in command_line.greenroom(server, "dead-letters", "show", str(number)).out
