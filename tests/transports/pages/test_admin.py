"""What `/admin` reads, and who may: each address as each of two roles, and as nobody."""

from typing import Any

import pytest
from quart import typing as quart_typing
from structlog.testing import capture_logs

from greenroom.actors.model.kinds import Kinds
from greenroom.transports.admin.roles import Operators
from greenroom.transports.auth.sign_outs import SessionChecks, SignedIn
from greenroom.transports.auth.tokens import TokenConfig, TokenVerifier
from greenroom.transports.pages import Bounds, PagesContext
from greenroom.transports.pages.admin import LETTERS_MAX
from greenroom.transports.pages.app import create_pages
from greenroom.transports.pages.operator_requests import PAGE_MAX
from tests.transports.admin.desk import StubDesk
from tests.transports.pages.counter import Counter
from tests.transports.world import SECRET, STARTED, no_metrics, token


def client(desk: StubDesk | None, *, env: str = "production") -> quart_typing.TestClientProtocol:
    async def ready() -> tuple[bool, dict[str, Any]]:
        return True, {}

    sessions = SessionChecks(SignedIn(), lambda *_, **__: None, None)
    tokens = TokenVerifier(TokenConfig(secret=SECRET), lambda: STARTED)
    context = PagesContext(
        env=env,
        version="0",
        kinds=Kinds([Counter]),
        bounds=Bounds(deadline_max_s=60.0, history_max=300),
        health=lambda: {"status": "ok"},
        ready=ready,
        scrape=no_metrics,
        desk=desk,
        operators=Operators(tokens, sessions, is_local=env == "local") if desk is not None else None,
    )
    return create_pages(context).test_client()


def bearer(role: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token(sub='ann', roles=[role])}"}


ADMIN, VIEWER, SERVICE = bearer("admin"), bearer("viewer"), bearer("service")
FOR_BOTH: dict[str, dict[str, Any]] = {
    "/admin/api/me": {"user": "ann", "is_admin": True},
    "/admin/api/cluster": {"asked": "cluster", "full": True},
    "/admin/api/entity?name=room:a": {"asked": "entity", "entity": "room:a", "full": True},
    "/admin/api/letters": {"asked": "letters", "entity": "", "before": None, "limit": 50, "full": True},
    "/admin/api/letters?entity=room:a&before=9&limit=2": {
        "asked": "letters", "entity": "room:a", "before": 9, "limit": 2, "full": True
    },
}  # fmt: skip
FOR_ADMINS: dict[str, dict[str, Any]] = {
    "/admin/api/state?name=room:a%20b": {"asked": "state", "entity": "room:a b"},
    "/admin/api/journal?name=room:a": {"asked": "journal", "entity": "room:a", "before": None, "limit": 50},
    "/admin/api/journal?name=room:a&before=7&limit=3": {
        "asked": "journal", "entity": "room:a", "before": 7, "limit": 3
    },
}  # fmt: skip


@pytest.mark.parametrize("path", [*FOR_BOTH, *FOR_ADMINS])
async def test_an_admin_is_told(path: str) -> None:
    response = await client(StubDesk()).get(path, headers=ADMIN)
    assert (response.status_code, await response.get_json()) == (200, (FOR_BOTH | FOR_ADMINS)[path])
    assert response.headers["Cache-Control"] == "no-store"
    assert "Access-Control-Allow-Origin" not in response.headers
    assert "default-src 'none'" in response.headers["Content-Security-Policy"]


@pytest.mark.parametrize("path", FOR_BOTH)
async def test_a_viewer_is_told_less(path: str) -> None:
    response = await client(StubDesk()).get(path, headers=VIEWER)
    less = {name: False if name in ("full", "is_admin") else value for name, value in FOR_BOTH[path].items()}
    assert (response.status_code, await response.get_json()) == (200, less)


@pytest.mark.parametrize("path", FOR_ADMINS)
async def test_a_viewer_is_shown_no_content(path: str) -> None:
    response = await client(StubDesk()).get(path, headers=VIEWER)
    assert (response.status_code, (await response.get_json())["error"]["name"]) == (403, "not_admin")


@pytest.mark.parametrize("path", [*FOR_BOTH, *FOR_ADMINS])
@pytest.mark.parametrize(
    ("headers", "status", "name"),
    [
        ({}, 401, "unauthenticated"),
        ({"X-Greenroom-User": "ann"}, 401, "unauthenticated"),
        (SERVICE, 403, "not_operator"),
    ],
)
async def test_nobody_else_is_told_anything(path: str, headers: dict[str, str], status: int, name: str) -> None:
    response = await client(StubDesk()).get(path, headers=headers)
    assert (response.status_code, (await response.get_json())["error"]["name"]) == (status, name)


async def test_the_page_itself_says_nothing_and_is_for_everybody() -> None:
    pages = client(StubDesk())
    response = await pages.get("/admin")
    assert (response.status_code, response.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert 'data-env="production"' in await response.get_data(as_text=True)
    again = await pages.get("/admin", headers={"If-None-Match": response.headers["ETag"]})
    assert again.status_code == 304
    assert (await client(None).get("/admin")).status_code == 404
    assert (await client(None).get("/admin/api/cluster", headers=ADMIN)).status_code == 404


@pytest.mark.parametrize(
    "path",
    [
        "/admin/api/entity",
        "/admin/api/entity?name=",
        "/admin/api/entity?name=nonsense",
        "/admin/api/state?name=Room:a",
        "/admin/api/journal?name=room:a&before=0",
        "/admin/api/journal?name=room:a&before=x",
        f"/admin/api/journal?name=room:a&limit={PAGE_MAX + 1}",
        "/admin/api/journal?name=room:a&limit=0",
        "/admin/api/letters?entity=nonsense",
        "/admin/api/letters?before=-1",
    ],
)
async def test_what_is_wrong_with_a_question_is_said(path: str) -> None:
    response = await client(StubDesk()).get(path, headers=ADMIN)
    assert response.status_code == 400
    assert (await response.get_json())["error"]["message"]


async def test_a_database_that_is_away_is_told_plainly() -> None:
    desk = StubDesk()
    desk.is_away = True
    with capture_logs() as logs:
        response = await client(desk).get("/admin/api/cluster", headers=ADMIN)
    assert response.status_code == 503 and response.headers["Retry-After"] == "1"
    assert b"secret" not in await response.get_data()
    assert [one["event"] for one in logs] == ["admin_not_answered"]


# Those that change something.

CHANGES = pytest.mark.parametrize("what", ["retry", "drop"])


async def change(
    pages: quart_typing.TestClientProtocol, what: str, headers: dict[str, str], body: bytes = b'{"ids":[3,4]}'
) -> Any:
    return await pages.post(f"/admin/api/{what}", data=body, headers={"Content-Type": "application/json"} | headers)


@pytest.mark.parametrize(("what", "event"), [("retry", "dead_letters_wished"), ("drop", "dead_letters_dropped")])
async def test_an_admin_decides_on_letters_and_the_log_says_who(what: str, event: str) -> None:
    desk = StubDesk()
    with capture_logs() as logs:
        response = await change(client(desk), what, ADMIN | {"Sec-Fetch-Site": "same-origin"})
    assert response.status_code == 200
    assert (desk.retried, desk.dropped) == (([3, 4], []) if what == "retry" else ([], [3, 4]))
    assert logs == [{"event": event, "log_level": "info", "by": "ann", "letters": [3, 4]}]


@CHANGES
@pytest.mark.parametrize(
    ("env", "headers", "status", "name"),
    [
        ("production", VIEWER, 403, "not_admin"),
        ("production", {}, 401, "unauthenticated"),
        ("production", ADMIN | {"Sec-Fetch-Site": "cross-site"}, 403, "cross_site"),
        ("production", ADMIN | {"Sec-Fetch-Site": "same-site"}, 403, "cross_site"),
        # What a form of another site's page could send: it can set no header of ours.
        ("local", {"Content-Type": "text/plain"}, 401, "unauthenticated"),
        ("local", {"Content-Type": "application/x-www-form-urlencoded", "Cookie": "a=b"}, 401, "unauthenticated"),
        ("local", {"X-Greenroom-User": "ann", "Content-Type": "text/plain"}, 415, "unsupported_media_type"),
    ],
)
async def test_nobody_else_changes_anything(
    env: str, headers: dict[str, str], status: int, name: str, what: str
) -> None:
    desk = StubDesk()
    with capture_logs() as logs:
        response = await change(client(desk, env=env), what, headers)
    assert (response.status_code, (await response.get_json())["error"]["name"]) == (status, name)
    assert (desk.retried, desk.dropped, logs) == ([], [], [])


@CHANGES
@pytest.mark.parametrize(
    "body",
    [b"", b"{}", b'{"ids":[]}', b'{"ids":[0]}', b'{"ids":["1"]}', b'{"ids":[1],"all":true}', b"[1]", b"\xff",
     b'{"ids":[' + b",".join(b"%d" % one for one in range(1, LETTERS_MAX + 2)) + b"]}"],
)  # fmt: skip
async def test_a_body_that_is_none_is_refused(body: bytes, what: str) -> None:
    desk = StubDesk()
    response = await change(client(desk), what, ADMIN, body)
    assert (response.status_code, desk.retried, desk.dropped) == (400, [], [])


async def test_json_knows_one_sort_of_number() -> None:
    desk = StubDesk()
    assert (await change(client(desk), "retry", ADMIN, b'{"ids":[3.0,4]}')).status_code == 200
    assert desk.retried == [3, 4]


@CHANGES
async def test_a_get_changes_nothing(what: str) -> None:
    desk = StubDesk()
    response = await client(desk).get(f"/admin/api/{what}?ids=1", headers=ADMIN)
    assert (response.status_code, desk.retried, desk.dropped) == (405, [], [])


async def test_in_local_a_name_is_an_admin() -> None:
    pages = client(StubDesk(), env="local")
    response = await pages.get("/admin/api/me", headers={"X-Greenroom-User": "ann"})
    assert await response.get_json() == {"user": "ann", "is_admin": True}
