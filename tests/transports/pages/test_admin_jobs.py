"""What `/admin` reads of queues, jobs and sagas, and does about them: who may, and what the log says."""

from typing import Any

import pytest
from quart import typing as quart_typing
from structlog.testing import capture_logs

from greenroom.actors.jobs.limits import Rate
from greenroom.actors.jobs.queue.control import Limit
from tests.transports.admin.desk import StubDesk
from tests.transports.pages.test_admin import ADMIN, SERVICE, VIEWER, client

ID = f"{7:032x}"
FOUND: dict[str, dict[str, Any]] = {
    "queues": {"asked": "queues"},
    "queue?name=media%20a": {"asked": "queue", "queue": "media a", "full": True},
    f"job?name={ID}": {"asked": "job", "id": ID, "full": True},
    "saga?name=trip:a%2Fb": {"asked": "saga", "saga": "trip:a/b", "full": True},
    "jobs?queue=media&state=failed,cancelled&limit=1000&after=x": {
        "asked": "jobs", "queue": "media", "states": ["failed", "cancelled"], "after": "x", "limit": 100, "who": "ann",
        "full": True,
    },
}  # fmt: skip
# Path, body, what the desk is told, and whom the log says it is about.
STEPS: list[tuple[str, dict[str, Any], tuple[Any, ...], str]] = [
    ("queues/pause", {"queue": "media"}, ("pause", "media", None, "", "ann"), "queue:media"),
    (
        "queues/pause",
        {"queue": "media", "until_ms": 5, "reason": "x"},
        ("pause", "media", 5, "x", "ann"),
        "queue:media",
    ),
    ("queues/resume", {"queue": "media"}, ("resume", "media", "ann"), "queue:media"),
    (
        "queues/limit",
        {"queue": "media", "limits": {"concurrency": 3, "per_key": None, "rate": {"n": 5, "per_s": 2}}},
        ("limit", "media", Limit(concurrency=3, per_key=None, rate=Rate(5, 2.0)), "ann"),
        "queue:media",
    ),
    ("jobs/retry", {"id": ID}, ("retry", ID, "ann"), f"job:{ID}"),
    ("jobs/drop", {"id": ID}, ("drop", ID, "ann"), f"job:{ID}"),
    ("jobs/cancel", {"id": ID, "reason": "no"}, ("cancel", ID, "no", "ann"), f"job:{ID}"),
    ("jobs/edit", {"id": ID, "priority": 0}, ("edit", ID, None, None, 0, None, "ann"), f"job:{ID}"),
    (
        "jobs/edit",
        {"id": ID, "arguments": {"a": 1}, "shown": {"a": 2}, "delay_s": 3},
        ("edit", ID, {"a": 1}, {"a": 2}, None, 3.0, "ann"),
        f"job:{ID}",
    ),
    ("sagas/steer", {"saga": "trip:a", "step": "retry"}, ("saga", "trip:a", "retry", {}, "ann"), "trip:a"),
    (
        "sagas/steer",
        {"saga": "trip:a", "step": "cancel", "reason": "no"},
        ("saga", "trip:a", "cancel", {"reason": "no"}, "ann"),
        "trip:a",
    ),
]


async def post(pages: quart_typing.TestClientProtocol, path: str, body: Any, headers: dict[str, str]) -> Any:
    return await pages.post(f"/admin/api/{path}", json=body, headers=headers)


@pytest.mark.parametrize("path", FOUND)
@pytest.mark.parametrize(("headers", "full"), [(ADMIN, True), (VIEWER, False)])
async def test_both_roles_are_told_and_one_of_them_all(path: str, headers: dict[str, str], full: bool) -> None:
    response = await client(StubDesk()).get(f"/admin/api/{path}", headers=headers)
    expected = FOUND[path] | ({"full": full} if "full" in FOUND[path] else {})
    assert (response.status_code, await response.get_json()) == (200, expected)


@pytest.mark.parametrize("path", FOUND)
@pytest.mark.parametrize(("headers", "status"), [({}, 401), (SERVICE, 403)])
async def test_nobody_else_is_told_anything(path: str, headers: dict[str, str], status: int) -> None:
    assert (await client(StubDesk()).get(f"/admin/api/{path}", headers=headers)).status_code == status


@pytest.mark.parametrize(
    "path",
    ["queue", "queue?name=", "job", "job?name=%00", "saga?name=trip", "jobs?state=lost", "jobs?limit=0", "jobs?x=1",
     "jobs?queue=a&queue=b"],
)  # fmt: skip
async def test_what_is_wrong_with_a_question_is_said(path: str) -> None:
    response = await client(StubDesk()).get(f"/admin/api/{path}", headers=ADMIN)
    assert response.status_code == 400 and (await response.get_json())["error"]["message"]


@pytest.mark.parametrize(("path", "body", "told", "name"), STEPS)
async def test_an_admin_steers_and_the_log_says_who(
    path: str, body: dict[str, Any], told: tuple[Any, ...], name: str
) -> None:
    desk = StubDesk()
    with capture_logs() as logs:
        response = await post(client(desk), path, body, ADMIN | {"Sec-Fetch-Site": "same-origin"})
    assert (response.status_code, desk.jobs.steered) == (200, [told])
    what = body.get("step", path.partition("/")[2])
    assert logs == [{"event": "job_steered", "log_level": "info", "by": "ann", "what": what, "name": name}]


@pytest.mark.parametrize(("path", "body", "told", "name"), STEPS)
@pytest.mark.parametrize(
    ("headers", "status"),
    [(VIEWER, 403), (SERVICE, 403), ({}, 401), (ADMIN | {"Sec-Fetch-Site": "cross-site"}, 403)],
)
async def test_nobody_else_steers(
    path: str, body: dict[str, Any], told: tuple[Any, ...], name: str, headers: dict[str, str], status: int
) -> None:
    desk = StubDesk()
    with capture_logs() as logs:
        response = await post(client(desk), path, body, headers)
    assert (response.status_code, desk.jobs.steered, logs) == (status, [], [])


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("queues/pause", {}),
        ("queues/pause", {"queue": ""}),
        ("queues/pause", {"queue": "a", "reason": "x" * 501}),
        ("queues/limit", {"queue": "a", "limits": {"concurrency": 0}}),
        ("queues/limit", {"queue": "a", "limits": []}),
        ("jobs/retry", {"id": "nonsense"}),
        ("jobs/edit", {"id": ID, "arguments": [1]}),
        ("jobs/edit", {"id": ID, "priority": 10}),
        ("jobs/edit", {"id": ID, "more": 1}),
        ("sagas/steer", {"saga": "trip", "step": "retry"}),
        ("sagas/steer", {"saga": "trip:a", "step": "fork"}),
    ],
)
async def test_a_body_that_is_none_is_refused(path: str, body: Any) -> None:
    desk = StubDesk()
    response = await post(client(desk), path, body, ADMIN)
    assert (response.status_code, desk.jobs.steered) == (400, [])
