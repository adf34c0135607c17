"""The admin page in Chromium, in two roles. The scenarios are in tests/js/admin.mjs; each fails on any error in the
console.
"""

import http.client
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.browser.studio import Studio
from tests.e2e.conftest import need_browser
from tests.e2e.javascript import JavaScript
from tests.e2e.server import Server, wait_until

JS = Path(__file__).parents[2] / "js"
SECRET = "whispered"


@pytest.fixture(scope="module")
def chromium_of_admins() -> Iterator[JavaScript]:
    need_browser()
    with JavaScript(JS / "admin.mjs") as script:
        yield script


def said(server: Server, room: str, count: int = 1) -> None:
    connection = server.connection()
    for number in range(count):
        text = f"<b>bold</b> {SECRET} {number}"
        server.command(room, "send", {"text": text}, user="ann", connection=connection)
    connection.close()


def test_the_cluster_is_live(chromium_of_admins: JavaScript, mortal_server: Server, room: str) -> None:
    asked = {"speak": lambda: said(mortal_server, room, 50)}
    chromium_of_admins.run("the_cluster_is_live", {"url": mortal_server.url}, asked)


def test_an_entity_is_explained(chromium_of_admins: JavaScript, mortal_server: Server, room: str) -> None:
    said(mortal_server, room, 45)
    streams: list[http.client.HTTPResponse] = []

    def watch() -> bool:
        connection = mortal_server.connection()
        connection.request("GET", f"/events?channel={room}", headers={"X-Greenroom-User": "bob"})
        streams.append(connection.getresponse())
        return streams[0].status == 200

    given = {"url": mortal_server.url, "entity": room, "text": SECRET}
    chromium_of_admins.run("an_entity_is_explained", given, {"watch": watch})
    for stream in streams:
        stream.close()


@pytest.fixture(scope="module")
def faulty_server() -> Iterator[Server]:
    """It has an entity whose handler can be made to raise."""
    server = Server(GREENROOM_ENTITIES="tests.faults.entities", GREENROOM_SUPERVISION_BACKOFF_FIRST_S="0.01")
    server.start()
    yield server
    server.remove()


def dead_letter(server: Server, entity: str, raises: Path) -> None:
    """Its handler raises as long as that file is there."""
    raises.touch()
    path = f"/api/{entity.replace(':', '/', 1)}/raise"
    assert server.request("POST", path, {"unless_gone": str(raises)}).status == 500
    wait_until(lambda: bool(letters(server, entity)), "the dead letter")


def letters(server: Server, entity: str) -> list[Any]:
    found: list[Any] = server.request("GET", f"/admin/api/letters?entity={entity}").body["letters"]
    return found


def test_an_admin_retries_a_dead_letter(chromium_of_admins: JavaScript, faulty_server: Server, tmp_path: Path) -> None:
    server, entity, raises = faulty_server, "faulty:admin", tmp_path / "raises"
    dead_letter(server, entity, raises)
    raises.unlink()

    def handled() -> None:
        wait_until(lambda: not letters(server, entity), "it to be handled")

    given = {"url": server.url, "entity": entity, "token": server.token("root", roles=["admin"])}
    chromium_of_admins.run("an_admin_retries_a_dead_letter", given, {"wait until it was retried": handled})
    assert '"by": "root"' in server.log(), "the log says who"


def test_an_admin_drops_a_dead_letter(chromium_of_admins: JavaScript, faulty_server: Server, tmp_path: Path) -> None:
    server, entity = faulty_server, "faulty:dropped"
    dead_letter(server, entity, tmp_path / "raises")
    given = {"url": server.url, "entity": entity, "token": server.token("dora", roles=["admin"])}
    asked = {"is it there": lambda: bool(letters(server, entity))}
    chromium_of_admins.run("an_admin_drops_a_dead_letter", given, asked)
    assert '"by": "dora"' in server.log(), "the log says who"


def test_a_viewer_sees_the_machinery_and_no_content(
    chromium_of_admins: JavaScript, faulty_server: Server, tmp_path: Path
) -> None:
    server, entity = faulty_server, "faulty:viewer"
    dead_letter(server, entity, tmp_path / SECRET)
    token = server.token("vera", roles=["viewer"])
    given = {"url": server.url, "entity": entity, "token": token, "secret": SECRET}
    chromium_of_admins.run("a_viewer_sees_the_machinery_and_no_content", given)
    assert len(letters(server, entity)) == 1


@pytest.fixture(scope="module")
def server_of_shows() -> Iterator[Server]:
    """It has views, and in one of them an entity that is parked; and jobs, on which it works."""
    server = Server(
        GREENROOM_ENTITIES="tests.actors.views.shows,tests.supervisors.admin.jobs.studio",
        GREENROOM_WORK="studio:4",
        GREENROOM_SUPERVISION_BACKOFF_FIRST_S="0.01",
    )
    server.start()
    server.command("show:finale", "clap", {"user": "ann"})
    server.command("show:bad", "clap", {"user": "poison"})
    wait_until(lambda: views(server)["standings"]["tables"][0]["parked"] == 1, "it to be parked")
    yield server
    print(server.log()[-20_000:])
    server.remove()


def views(server: Server) -> dict[str, Any]:
    return {one["name"]: one for one in server.request("GET", "/admin/api/views").body["views"]}


def test_an_admin_pauses_rebuilds_and_drops(chromium_of_admins: JavaScript, server_of_shows: Server) -> None:
    server = server_of_shows
    given = {"url": server.url, "token": server.token("ruth", roles=["admin"])}
    asked = {
        "is it paused": lambda: views(server)["shows"]["paused"],
        "clap": lambda: server.command("show:finale", "clap", {"user": "bob"}),
    }
    chromium_of_admins.run("an_admin_pauses_rebuilds_and_drops", given, asked)
    said = [line for line in server.log().splitlines() if '"view_steered"' in line and '"by": "ruth"' in line]
    assert [json.loads(line)["what"] for line in said] == ["pause", "resume", "rebuild", "drop-old"]


def test_an_admin_retries_what_is_parked(chromium_of_admins: JavaScript, server_of_shows: Server) -> None:
    server = server_of_shows
    given = {"url": server.url, "entity": "show:bad", "token": server.token("rita", roles=["admin"])}

    def parked_again() -> None:
        wait_until(lambda: views(server)["standings"]["tables"][0]["parked"] == 1, "its fold to fail again")

    chromium_of_admins.run("an_admin_retries_what_is_parked", given, {"wait until it is parked again": parked_again})
    assert '"by": "rita"' in server.log(), "the log says who"


def test_a_viewer_sees_views_and_changes_none(chromium_of_admins: JavaScript, server_of_shows: Server) -> None:
    server = server_of_shows
    token = server.token("vera", roles=["viewer"])
    given = {"url": server.url, "entity": "show:bad", "token": token, "secret": "poison"}
    chromium_of_admins.run("a_viewer_sees_views_and_changes_none", given)
    assert '"by": "vera"' not in server.log()
    assert not views(server)["standings"]["paused"]


@pytest.mark.parametrize(
    "scenario", ["views_on_a_phone_in_the_dark", "views_by_keyboard", "a_rebuild_shows_how_far_it_is"]
)
def test_views(chromium_of_admins: JavaScript, server_of_shows: Server, scenario: str) -> None:
    server = server_of_shows
    given = {"url": server.url, "entity": "show:bad", "token": server.token("root", roles=["admin"])}
    chromium_of_admins.run(scenario, given, {"is it paused": lambda: views(server)["shows"]["paused"]})


@pytest.fixture(scope="module")
def studio(server_of_shows: Server) -> Studio:
    return Studio(server_of_shows)


def test_a_viewer_sees_jobs_and_changes_none(chromium_of_admins: JavaScript, studio: Studio) -> None:
    chromium_of_admins.run("a_viewer_sees_jobs_and_changes_none", studio.given("viewer", "vito"))
    assert '"by": "vito"' not in studio.server.log() and studio.state(studio.failed) == "failed"


def test_jobs_on_a_phone_in_the_dark(chromium_of_admins: JavaScript, studio: Studio) -> None:
    chromium_of_admins.run("jobs_on_a_phone_in_the_dark", studio.given("admin", "paul"))


def test_a_queue_is_looked_at_and_steered(chromium_of_admins: JavaScript, studio: Studio) -> None:
    asked = {"is it paused": studio.is_paused}
    chromium_of_admins.run("a_queue_is_looked_at_and_steered", studio.given("admin", "quentin"), asked)
    said = [json.loads(line) for line in studio.server.log().splitlines() if '"by": "quentin"' in line]
    assert [line["what"] for line in said] == ["pause", "resume", "limit"]


def test_a_job_is_looked_at_and_steered(chromium_of_admins: JavaScript, studio: Studio) -> None:
    asked = {"what is stored": studio.stored, "wait until it is gone": studio.wait_until_gone}
    chromium_of_admins.run("a_job_is_looked_at_and_steered", studio.given("admin", "jane"), asked)


def test_others_are_turned_away(chromium_of_admins: JavaScript, mortal_server: Server) -> None:
    token = mortal_server.token("mallory", roles=["service"])
    chromium_of_admins.run("others_are_turned_away", {"url": mortal_server.url, "token": token})


def test_it_comes_back_after_a_restart(chromium_of_admins: JavaScript, mortal_server: Server) -> None:
    asked = {"stop the server": mortal_server.stop, "start the server": mortal_server.start}
    chromium_of_admins.run("it_comes_back_after_a_restart", {"url": mortal_server.url}, asked)


@pytest.mark.parametrize("scenario", ["a_phone_in_the_dark_has_room_for_it", "the_keyboard_is_enough"])
def test_scenario(chromium_of_admins: JavaScript, mortal_server: Server, room: str, scenario: str) -> None:
    said(mortal_server, room, 3)
    chromium_of_admins.run(scenario, {"url": mortal_server.url, "entity": room})
