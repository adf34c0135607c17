"""Views in the documents of the API: their pages over HTTP for OpenAPI, their channels for AsyncAPI."""

from collections.abc import Iterable
from typing import Any

import msgspec

from greenroom.actors.views.installed import Installed
from greenroom.actors.views.page import ALL, LIMIT_MAX
from greenroom.actors.views.query import SEARCH_MAX
from greenroom.transports.pages.message_schemas import Json, doc_of

_TEXT: Json = {"type": "string"}
_CURSOR: Json = {"type": ["string", "null"]}
_OFFSET: Json = {"type": "integer", "minimum": 0}
_MATCH: Json = {
    "type": "object",
    "required": ["rank", "snippet"],
    "properties": {
        "rank": {"type": "number"},
        "snippet": {"type": "array", "items": _TEXT, "description": "Text and found words by turns, text first"},
    },
}


def row_schemas(views: Iterable[Installed]) -> tuple[dict[str, Json], Json]:
    """The schema of each view's rows, by the name of the view, and the components that these refer to."""
    schemas: dict[str, Json] = {}
    components: Json = {}
    for view in views:
        (made,), own = msgspec.json.schema_components(
            [view.view.Row], ref_template=f"#/components/schemas/{view.name}.{{name}}"
        )
        schemas[view.name] = made
        components |= {f"{view.name}.{name}": schema for name, schema in own.items()}
    return schemas, components


def view_path(view: Installed, row: Json, components: Json, *, key: Json, timeout: Json) -> Json:
    """What `/api/{view}/{key}` takes and answers. `key` and `timeout`: the parameters that all paths have."""
    whole = view.view.watch is None or not view.view.watch.by
    get = _get(view, row, [*_parameters(view, components), timeout])
    return {"parameters": [key | {"schema": {"const": ALL}} if whole else key], "get": get}


def across_path(view: Installed, row: Json, components: Json, *, key: Json, timeout: Json) -> Json:
    """What `/api/{other}/{key}/{view}` takes and answers: a search of all pages that the other view's page names."""
    parameters = [
        one | {"required": True} if one["name"] == "search" else one
        for one in _parameters(view, components, every=True)
    ]
    get = _get(view, row, [*parameters, timeout]) | {
        "operationId": f"{view.view.across}.{view.name}",
        "summary": f"Rows of {view.name} of all that {view.view.across} name, searched at once",
    }
    return {"parameters": [key], "get": get}


def _get(view: Installed, row: Json, parameters: list[Json]) -> Json:
    page: Json = {
        "type": "object",
        "required": ["rows", "next", "previous", "epoch", "offset"],
        "properties": {
            "rows": {"type": "array", "items": row},
            "next": _CURSOR,
            "previous": _CURSOR,
            "epoch": _TEXT,
            "offset": _OFFSET,
            "matches": {"type": "array", "items": _MATCH, "description": "Of a search, one for each row"},
            "stale": {"type": "boolean", "description": "What `at` names is not among it yet"},
        },
    }
    return {
        "operationId": f"{view.name}.rows",
        "tags": [view.name],
        "summary": f"Rows of {view.name}, page by page",
        "parameters": parameters,
        "responses": {
            "200": {"description": "Rows in the page's order", "content": {"application/json": {"schema": page}}},
            "304": {"description": "As the `ETag` in If-None-Match has it"},
            "default": {"$ref": "#/components/responses/Refused"},
        },
    }


def _parameters(view: Installed, components: Json, *, every: bool = False) -> Iterable[Json]:
    """`every`: of several pages, which may be filtered by the key that a page is by."""
    yield _query("limit", "At most so many; unless given, as many as the page shows", {
        "type": "integer", "minimum": 1, "maximum": LIMIT_MAX,
    })  # fmt: skip
    yield _query("after", "Those behind this cursor: `next` of another answer", _TEXT)
    yield _query("before", "Those before this cursor: `previous` of another answer", _TEXT)
    yield _query("at", "Wait until that is folded: an entity and an offset, `kind:key@offset`", _TEXT)
    yield _query("stale", "`ok`: rows without it rather than none, when that takes long", {"enum": ["ok"]})
    if view.shape.searched:
        text: Json = {"type": "string", "maxLength": SEARCH_MAX}
        yield _query("search", 'Rows with these words, the best first: `red balloon`, `"red balloon"`, `-kite`', text)
    by = view.view.watch.by if view.view.watch is not None and not every else ""
    properties: Any = components[f"{view.name}.{view.view.Row.__name__}"]
    for column in view.shape.columns:
        if (column.is_key and column.name != by) or column.is_indexed:
            schema = {name: one for name, one in properties["properties"][column.name].items() if name != "default"}
            yield _query(column.name, f"Only rows with this {column.name}", schema)


def view_channel(view: Installed, row: Json) -> tuple[Json, Json, Json]:
    """The channel of a view that can be watched, its operation, and its messages by name."""
    names = (f"{view.name}.set", f"{view.name}.gone")
    keys: Json = {"type": "object", "required": list(view.key_names)}
    messages: Json = {
        names[0]: {
            "title": names[0],
            "summary": "There is this row on the page, new or otherwise than before",
            "payload": {"type": "object", "required": ["set"], "properties": {"set": row}},
        },
        names[1]: {
            "title": names[1],
            "summary": "That row is on the page no longer; its key fields",
            "payload": {"type": "object", "required": ["gone"], "properties": {"gone": keys}},
        },
    }
    channel: Json = {
        "address": f"{view.name}:{{key}}",
        "description": "\n\n".join(
            part
            for part in (doc_of(view.view), '`subscribe` answers with the page, `{"rows": […]}`; then what changes.')
            if part
        ),
        "parameters": {"key": {"description": "The page's key"}},
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in names},
    }
    operation: Json = {
        "action": "send",
        "title": f"what changes on {view.name}:{{key}} to its subscribers",
        "channel": {"$ref": f"#/channels/{view.name}"},
        "messages": [{"$ref": f"#/channels/{view.name}/messages/{name}"} for name in names],
    }
    return channel, operation, messages


def _query(name: str, text: str, schema: Json) -> Json:
    return {"name": name, "in": "query", "description": text, "required": False, "schema": schema}
