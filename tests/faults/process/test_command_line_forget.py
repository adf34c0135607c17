"""`greenroom forget` beside a server that runs, and without one."""

import json

import trio

from greenroom.store.own.servers import OwnServers
from greenroom.store.postgres.bridge import Bridge
from greenroom.store.postgres.pool import Pool
from tests.e2e.server import Server
from tests.faults.process.command_line import CommandLine
from tests.store.erasure.database import places_of

ENTITIES = "tests.actors.views.shows"
SECRET = "rumpelstiltskin"


def places(server: Server, value: str) -> list[str]:
    url = OwnServers(server.data).running_database_url
    assert url is not None

    async def search() -> list[str]:
        async with Bridge() as bridge, Pool(bridge, url, incarnation=0, size=1) as pool:
            return await places_of(pool, value)

    return trio.run(search)


def test_an_entity_is_erased_and_does_not_come_back(command_line: CommandLine) -> None:
    server = Server(GREENROOM_ENTITIES=ENTITIES)
    name = f"show:{SECRET}"
    try:
        server.start()
        server.command(name, "clap", {"user": SECRET})
        server.command("show:other", "clap", {"user": "bob"})

        bad = command_line.greenroom(server, "forget", "--reason", "x")
        assert bad.status == 2 and "say what" in bad.err
        unknown = command_line.greenroom(server, "forget", "show:nobody", "--reason", "x", "--yes")
        assert unknown.status == 1 and "there is no show:nobody" in unknown.err
        silent = command_line.greenroom(server, "forget", name, "--yes")
        assert silent.status == 2 and "--reason" in silent.err
        unasked = command_line.greenroom(server, "forget", name, "--reason", "x")
        assert unasked.status == 2 and "--yes" in unasked.err
        dry = command_line.greenroom(server, "forget", name, "--dry-run", "--json")
        told = json.loads(dry.out)
        assert told["rows"]["journal"] == 1 and told["views"]["standings"] == "anew"
        assert places(server, SECRET)

        ran = command_line.greenroom(server, "forget", name, "--reason", "asked to", "--by", "eve", "--yes", "--json")
        assert ran.status == 0, ran
        told = json.loads(ran.out)
        assert told["did"]["journal"] == 1 and told["by"] == "eve" and told["done"]
        assert places(server, SECRET) == []
        answer = server.request("POST", f"/api/show/{SECRET}/clap", {"user": "ann"}, user="ann")
        assert answer.status == 410 and answer.body["error"]["name"] == "forgotten", answer
        assert server.command("show:other", "clap", {"user": "bob"})

        again = command_line.greenroom(server, "forget", name, "--reason", "asked to", "--yes")
        assert again.status == 0 and "was erased" in again.out
        listed = command_line.greenroom(server, "forget", "--list")
        assert listed.status == 0 and "asked to" in listed.out and SECRET not in listed.out
        server.restart(kill=True)
        answer = server.request("POST", f"/api/show/{SECRET}/clap", {"user": "ann"}, user="ann")
        assert answer.status == 410
    finally:
        server.remove()


def test_a_user_is_forgotten(command_line: CommandLine) -> None:
    server = Server()
    ann = "ann-of-green-gables"
    try:
        server.start()
        server.command("room:lobby", "join", user=ann)
        server.command("room:lobby", "send", {"text": "kindred spirit"}, user=ann)
        server.command("room:lobby", "join", user="bob")
        server.command("room:lobby", "send", {"text": "hello"}, user="bob")
        server.command(f"session:{ann}", "read", {"channel": "room:lobby", "offset": 2}, user=ann)
        dry = command_line.greenroom(server, "forget", "--user", ann, "--dry-run", "--json")
        assert json.loads(dry.out)["entities"] == [f"session:{ann}"]
        ran = command_line.greenroom(server, "forget", "--user", ann, "--reason", "asked to", "--yes", "--json")
        assert ran.status == 0, ran
        told = json.loads(ran.out)
        assert told["did"]["left"] == {} and told["did"]["events"] >= 2
        assert places(server, ann) == [] and places(server, "kindred spirit") == []
        shown = server.history("room:lobby", user="bob")
        assert "hello" in json.dumps(shown) and told["did"]["alias"] in json.dumps(shown)
        shown_now = server.request("GET", "/api/room/lobby", user="bob").body
        view = json.dumps(shown_now)
        assert ann not in view and "kindred" not in view
    finally:
        server.remove()
