"""What `/admin` reads of views and sinks, and does about them: who may, and what the log says."""

from typing import Any

import pytest
from quart import typing as quart_typing
from structlog.testing import capture_logs

from tests.transports.admin.desk import StubDesk
from tests.transports.pages.test_admin import ADMIN, SERVICE, VIEWER, client

STEPS = ("pause", "resume", "rebuild", "drop-old", "retry")


async def steer(
    pages: quart_typing.TestClientProtocol, step: str, headers: dict[str, str], body: bytes = b'{"view":"standings"}'
) -> Any:
    path = f"/admin/api/views/{step}"
    return await pages.post(path, data=body, headers={"Content-Type": "application/json"} | headers)


@pytest.mark.parametrize(("headers", "full"), [(ADMIN, True), (VIEWER, False)])
async def test_both_roles_see_tables_and_who_waits_and_one_of_them_why(headers: dict[str, str], full: bool) -> None:
    pages = client(StubDesk())
    found = await pages.get("/admin/api/views", headers=headers)
    assert (found.status_code, await found.get_json()) == (200, {"asked": "views"})
    found = await pages.get("/admin/api/parked?table=3", headers=headers)
    assert await found.get_json() == {"asked": "parked", "table": 3, "after": 0, "limit": 50, "full": full}
    found = await pages.get("/admin/api/parked?table=3&after=9&limit=2", headers=headers)
    assert await found.get_json() == {"asked": "parked", "table": 3, "after": 9, "limit": 2, "full": full}


@pytest.mark.parametrize("path", ["/admin/api/views", "/admin/api/parked?table=3"])
@pytest.mark.parametrize(("headers", "status"), [({}, 401), (SERVICE, 403)])
async def test_nobody_else_sees_any(path: str, headers: dict[str, str], status: int) -> None:
    assert (await client(StubDesk()).get(path, headers=headers)).status_code == status


@pytest.mark.parametrize("query", ["", "?table=0", "?table=x", "?table=1&limit=101", "?table=1&after=-1"])
async def test_what_is_wrong_with_a_question_is_said(query: str) -> None:
    response = await client(StubDesk()).get(f"/admin/api/parked{query}", headers=ADMIN)
    assert response.status_code == 400 and (await response.get_json())["error"]["message"]


@pytest.mark.parametrize("step", STEPS)
async def test_an_admin_steers_and_the_log_says_who(step: str) -> None:
    desk = StubDesk()
    with capture_logs() as logs:
        response = await steer(client(desk), step, ADMIN | {"Sec-Fetch-Site": "same-origin"})
    assert (response.status_code, desk.views.steered) == (200, [(step, "standings")])
    said = {"event": "view_steered", "log_level": "info", "by": "ann", "what": step, "view": "standings"}
    assert logs == [said | {"entity": None}]


async def test_one_parked_entity_is_retried_by_its_name() -> None:
    desk = StubDesk()
    with capture_logs() as logs:
        response = await steer(client(desk), "retry", ADMIN, b'{"view":"standings","entity":"show:a b"}')
    assert (response.status_code, desk.views.steered) == (200, [("retry", "standings", "show:a b")])
    assert logs[0]["entity"] == "show:a b"


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize(
    ("headers", "status", "name"),
    [
        (VIEWER, 403, "not_admin"),
        (SERVICE, 403, "not_operator"),
        ({}, 401, "unauthenticated"),
        (ADMIN | {"Sec-Fetch-Site": "cross-site"}, 403, "cross_site"),
        (ADMIN | {"Content-Type": "text/plain"}, 415, "unsupported_media_type"),
    ],
)
async def test_nobody_else_steers(step: str, headers: dict[str, str], status: int, name: str) -> None:
    desk = StubDesk()
    with capture_logs() as logs:
        response = await steer(client(desk), step, headers)
    assert (response.status_code, (await response.get_json())["error"]["name"]) == (status, name)
    assert (desk.views.steered, logs) == ([], [])


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize(
    "body",
    [b"", b"{}", b"[1]", b'{"view":""}', b'{"view":"Standings"}', b'{"view":"a","more":1}', b'{"view":1}', b"\xff",
     b'{"view":"' + b"x" * 41 + b'"}', b'{"view":"a","entity":3}'],
)  # fmt: skip
async def test_a_body_that_is_none_is_refused(step: str, body: bytes) -> None:
    desk = StubDesk()
    response = await steer(client(desk), step, ADMIN, body)
    assert (response.status_code, desk.views.steered) == (400, [])


async def test_what_is_no_entity_is_not_retried() -> None:
    desk = StubDesk()
    response = await steer(client(desk), "retry", ADMIN, b'{"view":"standings","entity":"nonsense"}')
    assert (response.status_code, desk.views.steered) == (400, [])


@pytest.mark.parametrize("step", STEPS)
async def test_a_get_changes_nothing(step: str) -> None:
    desk = StubDesk()
    response = await client(desk).get(f"/admin/api/views/{step}?view=standings", headers=ADMIN)
    assert (response.status_code, desk.views.steered) == (405, [])
