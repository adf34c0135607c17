"""Lists of jobs and of queues in the OpenAPI document."""

from typing import Any

import msgspec

from greenroom.actors.jobs.listing.lists import LIMIT, LIMIT_MAX, JobShown, QueueShown
from greenroom.actors.jobs.listing.where import Where
from greenroom.actors.jobs.texts import NAME_MAX, NAME_PATTERN
from greenroom.transports.codecs.numbers import EXACT_MAX
from greenroom.transports.http.job_lists import LISTS
from greenroom.transports.pages.message_schemas import Json

_TEXT: Json = {"type": "string"}
_NAME: Json = {"type": "string", "maxLength": NAME_MAX, "pattern": NAME_PATTERN}
_TIME: Json = {"type": "integer", "minimum": 0, "maximum": EXACT_MAX}
_FILTERS: dict[str, str] = {
    "state": "Any of these, parted by commas",
    "kind": "The tag of its class",
    "key": "Its key, `partition`; nothing: those without one",
    "search": "Words, each in its arguments or in one of its errors",
    "id": "Any of these, parted by commas",
    "added_since_ms": "Added then or later, Unix ms",
    "added_until_ms": "Added before that",
    "ended_since_ms": "Ended then or later",
    "ended_until_ms": "Ended before that",
}


def list_paths(timeout: Json) -> dict[str, Json]:
    """`GET /api/jobs` and `GET /api/queues`, and what their rows refer to stands in them. `timeout`: the header that
    all paths have."""
    name = _query("after", "Those behind this name", _NAME)
    return {
        "/api/jobs": {"get": _list("jobs", "Jobs, the last added first", JobShown, [*filters(), timeout])},
        "/api/queues": {"get": _list("queues", "Queues by their names", QueueShown, [name, timeout])},
    }


def filters() -> list[Json]:
    """The parameters by which jobs are looked for, and where to go on."""
    (schema,), parts = msgspec.json.schema_components([Where])
    fields: Any = parts["Where"]["properties"] if "$ref" in schema else schema["properties"]
    after = _query("after", "Those behind this cursor: `next` of another answer", _TEXT)
    found = [_query(name, text, _schema_of(name, fields[name])) for name, text in _FILTERS.items()]
    return [after, _query("queue", "Of this queue", _NAME), *found]


def _schema_of(name: str, field: Any) -> Json:
    """As it stands in a query: texts, and what there are several of parted by commas."""
    if name.endswith("_ms"):
        return _TIME
    if name not in LISTS:
        found: Any = next((one for one in field.get("anyOf", ()) if one["type"] != "null"), field)
        return {key: value for key, value in found.items() if key != "default"}
    items = field["items"]
    one = items["pattern"].removeprefix("^").partition("(?!")[0] if "pattern" in items else "|".join(items["enum"])
    return {"type": "string", "pattern": f"^(({one})(,({one})){{0,7}})?$"}


def _list(name: str, summary: str, row: type, parameters: list[Json]) -> Json:
    (schema,), parts = msgspec.json.schema_components([row])
    page: Json = {
        "type": "object",
        "required": ["rows", "next", "previous", "epoch", "offset"],
        "properties": {
            "rows": {"type": "array", "items": parts[row.__name__] if parts else schema},
            "next": {"type": ["string", "null"], "description": "Where to go on; null: these are the last"},
            "previous": {"type": "null"},
            "epoch": _TEXT,
            "offset": {"type": "integer"},
        },
    }
    limit: Json = {"type": "integer", "minimum": 1, "maximum": LIMIT_MAX, "default": LIMIT}
    return {
        "operationId": f"{name}.list",
        "tags": ["queue"],
        "summary": f"{summary}, for the roles service and admin",
        "parameters": [_query("limit", "At most so many", limit), *parameters],
        "responses": {
            "200": {"description": "One page", "content": {"application/json": {"schema": page}}},
            "default": {"$ref": "#/components/responses/Refused"},
        },
    }


def _query(name: str, text: str, schema: Json) -> Json:
    return {"name": name, "in": "query", "description": text, "required": False, "schema": schema}
