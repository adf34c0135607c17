"""`greenroom forget` beside a server that runs, and without one."""

import json
from contextlib import ExitStack
from typing import Any

import trio

from greenroom.store.own.servers import OwnServers
from greenroom.store.postgres.bridge import Bridge
from greenroom.store.postgres.pool import Pool
from tests.e2e import sdk
from tests.e2e.server import Server, wait_until
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


def test_queues_and_jobs_are_erased_and_a_users_are_nobodys(command_line: CommandLine) -> None:
    server = Server(GREENROOM_ENTITIES="tests.supervisors.erasure.mail_jobs")
    ann = "ann-of-green-gables"
    try:
        server.start()
        staff: Any = {
            "user": None,
            "headers": {"Authorization": f"Bearer {server.token('svc', roles=['service'])}"},
        }

        def add(queue: str, **arguments: Any) -> str:
            fields = {"job": "job.x", "arguments": arguments, "by": ann}
            return str(server.command(f"queue:{queue}", "add", fields, **staff)["id"])

        one, held = add(SECRET), add("other")
        taken = server.command("queue:other", "take", {"worker": "w", "most": 1}, **staff)
        assert [job["id"] for job in taken["jobs"]] == [held]
        add("other", of=ann)
        greet = {"job": "job.greet", "arguments": {"to": ann, "text": "kindred spirit"}}
        server.command("queue:other", "add", greet, **staff)

        def forget(*what: str) -> Any:
            return command_line.greenroom(server, "forget", *what, "--reason", "asked to", "--yes", "--json")

        unknown = forget(f"job:{'0' * 32}")
        assert unknown.status == 1 and "there is no job:" in unknown.err
        active = forget(f"job:{held}")
        assert active.status == 1 and "w works on it" in active.err
        assert server.request("GET", f"/api/job/{one}", **staff).status == 200
        removed = forget(f"job:{one}")
        assert removed.status == 0 and json.loads(removed.out)["did"] == {"jobs": 1}, removed
        assert server.request("GET", f"/api/job/{one}", **staff).status != 200
        add(SECRET)  # its queue goes on

        dry = command_line.greenroom(server, "forget", "--user", ann, "--dry-run", "--json")
        assert json.loads(dry.out)["rows"] == {"jobs": 4}
        told = forget("--user", ann)
        assert told.status == 0, told
        did = json.loads(told.out)["did"]
        assert (did["jobs"], did["left"]) == (4, {"jobs": 1})  # in arguments of a class that nobody knows
        assert places(server, "kindred spirit") == []
        assert "jobs.arguments" in {one.partition(".")[2] for one in places(server, ann)}

        dry = command_line.greenroom(server, "forget", f"queue:{SECRET}", "--dry-run", "--json")
        assert json.loads(dry.out)["rows"]["jobs"] == 1
        erased = forget(f"queue:{SECRET}")
        assert erased.status == 0 and json.loads(erased.out)["did"]["jobs"] == 1, erased
        assert places(server, SECRET) == []
        answer = server.request("POST", f"/api/queue/{SECRET}/add", {"job": "job.x"}, **staff)
        assert answer.status == 410
    finally:
        server.remove()


def test_what_needs_the_database_alone_needs_no_code_and_what_comes_first_is_missed_aloud(
    command_line: CommandLine,
) -> None:
    server = Server(GREENROOM_ENTITIES="greenroom.social", GREENROOM_WORK="social:1")
    try:
        server.start()
        for room in ("one", "two"):
            server.command(f"room:{room}", "join", user="ann")
        for user in ("ann", "bob"):
            server.command(f"follows:{user}", "follow", {"user": "cat"}, user=user)
        staff: Any = {"user": None, "headers": {"Authorization": f"Bearer {server.token('svc', roles=['service'])}"}}
        job = server.command("queue:other", "add", {"job": "job.x"}, **staff)["id"]

        def forget(entities: str, what: str, *more: str) -> Any:
            settings = server._environment() | {"GREENROOM_ENTITIES": entities}
            return command_line.run(["forget", what, "--reason", "asked to", "--yes", *more], settings)

        for what in ("room:one", f"job:{job}", "queue:other"):
            ran = forget("no_such_module", what)
            assert ran.status == 0 and "GREENROOM_ENTITIES" not in ran.err, (what, ran)
        ran = forget("no_such_module", "follows:ann")
        assert ran.status == 2 and "no_such_module" in ran.err, ran
        ran = forget("", "room:two")
        assert ran.status == 0 and "GREENROOM_ENTITIES" not in ran.err, ran
        ran = forget("", "follows:ann")
        assert ran.status == 0 and "GREENROOM_ENTITIES is not set here" in ran.err, ran
        ran = forget("", "follows:bob", "--without-jobs")
        assert ran.status == 0 and "GREENROOM_ENTITIES" not in ran.err, ran
    finally:
        server.remove()


def test_whoever_asks_any_node_for_it_hears_that_it_is_gone(
    command_line: CommandLine, database_url: str, redis_url: str
) -> None:
    """At both somebody watches, by the official SDK. And the views of rooms say whose their rows are: none is made
    anew."""
    settings: Any = {"GREENROOM_DATABASE_URL": database_url, "GREENROOM_REDIS_URL": redis_url, "GREENROOM_NODES": "0"}
    with ExitStack() as made:
        servers: list[Server] = []
        for _ in range(2):
            servers.append(Server(GREENROOM_BUILT_IN_VIEWS="conversations,messages,rooms", **settings))
            made.callback(servers[-1].remove)
            servers[-1].start()
        one, other = servers
        for room in ("secret", "lobby"):
            one.command(f"room:{room}", "join")
            sent = one.command(f"room:{room}", "send", {"text": f"of {room}"})
            for page in (f"messages/{room}", "conversations/ann", "rooms/open"):
                at = f"/api/{page}?at=room%3A{room}@{sent['offset']}"
                assert one.request("GET", at).status == 200

        async def watch_and_forget() -> None:
            async with sdk.connected(one, "ann") as here, sdk.connected(other, "ann") as there:
                watches = [(await sdk.watching(client, "room:secret"))[1] for client in (here, there)]
                dry = json.loads(command_line.greenroom(one, "forget", "room:secret", "--dry-run", "--json").out)
                assert dry["views"] == {"conversations": "rows", "messages": "rows", "rooms": "rows"}
                asked = ("forget", "room:secret", "--reason", "asked to", "--yes", "--json")
                ran = command_line.greenroom(other, *asked)
                assert ran.status == 0, ran
                assert json.loads(ran.out)["did"].get("views", {}) == {}
                for watch in watches:
                    await sdk.until(lambda watch=watch: bool(watch.unsubscribed), "to be told")  # type: ignore[misc]
                    assert watch.unsubscribed[0].code == 2410
                for client in (here, there):
                    _, watch = await sdk.watching(client, "room:secret-2")  # others can still be watched
                    assert watch.subscribed
                    again = client.get_subscription("room:secret")
                    assert again is not None
                    await again.subscribe()
                for watch in watches:
                    await sdk.until(lambda watch=watch: len(watch.unsubscribed) == 2, "to be refused")  # type: ignore[misc]
                    assert watch.unsubscribed[1].code == 410

        sdk.run(watch_and_forget)
        for server in servers:
            for method, path in (("POST", "/send"), ("GET", ""), ("GET", "/history")):
                body = {"text": "again"} if method == "POST" else None
                answer = server.request(method, f"/api/room/secret{path}", body)
                assert (answer.status, answer.body["error"]["name"]) == (410, "forgotten"), (path, answer)
            for page in ("messages/lobby", "conversations/ann", "rooms/open"):
                rows = str(server.request("GET", f"/api/{page}").body["rows"])
                assert "lobby" in rows and "secret" not in rows, page


def test_who_is_forgotten_is_counted_by_nobody_any_more(command_line: CommandLine) -> None:
    """Numbers of others are in no row of hers: a job ends her edges first, from either end."""
    server = Server(GREENROOM_ENTITIES="greenroom.social", GREENROOM_WORK="social:1")
    ann = "ann-of-green-gables"
    try:
        server.start()

        def follow(user: str, author: str) -> None:
            server.command(f"follows:{user}", "follow", {"user": author}, user=user)

        def counts(user: str) -> tuple[int, int]:
            (row,) = server.request("GET", f"/api/authors/{user}", user="eve").body["rows"]
            return row["followers"], row["following"]

        for user, author in ((ann, "cat"), ("bob", "cat"), ("bob", ann), ("dan", "eve"), (ann, "dan")):
            follow(user, author)
        wait_until(lambda: (counts("cat"), counts("bob")) == ((2, 0), (0, 2)), "them to be counted")
        ran = command_line.greenroom(server, "forget", "--user", ann, "--reason", "asked to", "--yes", "--json")
        assert ran.status == 0, ran
        assert json.loads(ran.out)["did"]["left"] == {} and places(server, ann) == []
        wait_until(lambda: (counts("cat"), counts("bob")) == ((1, 0), (0, 1)), "her to be counted no more")
        headers = {"Authorization": f"Bearer {server.token('svc', roles=['service'])}"}
        for author in ("cat", "dan"):
            fields = {"job": "job.recount_followers", "arguments": {"author": author}}
            added = server.request("POST", "/api/queue/social/add", fields, user=None, headers=headers).body["id"]

            def ended(job: str = added) -> Any:
                return server.request("GET", f"/api/job/{job}", user=None, headers=headers).body["view"]["result"]

            wait_until(lambda: ended() is not None, "it to be recounted")
            assert ended()["followers"] == ended()["edges"] == counts(author)[0]
        ran = command_line.greenroom(server, "forget", "follows:dan", "--reason", "asked to", "--yes", "--json")
        assert ran.status == 0, ran
        wait_until(lambda: counts("eve") == (0, 0), "him to be counted no more")
    finally:
        server.remove()
