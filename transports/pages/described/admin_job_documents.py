"""What operators ask about queues, jobs and sagas, in the OpenAPI document: the routes of admin_jobs.py."""

from typing import Any

import msgspec
from msgspec import Struct

from greenroom.actors.jobs.queue.control import Limit
from greenroom.transports.pages.admin_jobs import (
    Cancelled,
    Edited,
    Limited,
    OneJob,
    Paused,
    Resumed,
    SteeredSaga,
)
from greenroom.transports.pages.described.job_documents import filters
from greenroom.transports.pages.message_schemas import Json, drop_tag
from greenroom.transports.pages.operator_requests import PAGE_MAX

_REFS = "#/components/schemas/{name}"
_STEERED: tuple[tuple[str, type[Struct], str], ...] = (
    ("queues/pause", Paused, "Have a queue hand out nothing, until then or until it is resumed"),
    ("queues/resume", Resumed, "Have it go on"),
    ("queues/limit", Limited, "Set its limits: what is left out stays, null takes back what was set"),
    ("jobs/retry", OneJob, "Try a job now, or begin it anew"),
    ("jobs/cancel", Cancelled, "Cancel a job"),
    ("jobs/drop", OneJob, "Forget a job that has ended"),
    ("jobs/edit", Edited, "Change arguments, priority or time of one that nobody works on"),
    ("sagas/steer", SteeredSaga, "Tell a saga to go on, to try again, or to go back"),
)


def admin_job_paths(key: Json, channel: Json) -> tuple[dict[str, Json], dict[str, Any]]:
    """The paths, and the schemas that they refer to. `key`: the schema of an entity's key; `channel`: of its name."""
    made, components = msgspec.json.schema_components([of for _, of, _ in _STEERED], ref_template=_REFS)
    drop_tag({"$ref": _REFS.format(name=Limit.__name__)}, components)
    rows = {"name": "limit", "in": "query", "description": "At most so many", "required": False}
    limit: Json = {**rows, "schema": {"type": "integer", "minimum": 1, "maximum": PAGE_MAX}}
    paths = {
        "/admin/api/queues": _asked("queues", "All queues, and how they stand"),
        "/admin/api/queue": _asked("queue", "One queue: its limits, workers and counts", _name("A queue's name", key)),
        "/admin/api/jobs": _asked("jobs", "Jobs, the last added first", limit, *filters()),
        "/admin/api/job": _asked("job", "One job; its content for admins alone", _name("A job's id", key)),
        "/admin/api/saga": _asked("saga", "One saga: its steps, and what it waits for", _name("A saga", channel)),
    }
    for (path, _, summary), body in zip(_STEERED, made, strict=True):
        name = path.replace("/", ".")
        paths[f"/admin/api/{path}"] = {
            "post": {
                "operationId": f"admin.{name}",
                "summary": f"{summary}, for admins",
                "requestBody": {"required": True, "content": {"application/json": {"schema": body}}},
                "responses": _RESPONSES,
            }
        }
    return paths, components


_RESPONSES: Json = {
    "200": {"description": "See docs/run/admin.md", "content": {"application/json": {"schema": {"type": "object"}}}},
    "default": {"$ref": "#/components/responses/Refused"},
}


def _asked(name: str, summary: str, *parameters: Json) -> Json:
    asked = {"operationId": f"admin.{name}", "summary": summary, "parameters": [*parameters], "responses": _RESPONSES}
    return {"get": asked}


def _name(text: str, schema: Json) -> Json:
    return {"name": "name", "in": "query", "description": text, "required": True, "schema": schema}
