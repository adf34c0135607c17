"""Commands and reads over HTTP as an OpenAPI 3.1 document, generated from the message types.

Where a schema promises something, the server keeps it: what fits is never refused for its form.
Source: https://spec.openapis.org/oas/v3.1.1
"""

from collections.abc import Iterable, Mapping

from greenroom.actors.jobs.queue.actor import QUEUE_KIND
from greenroom.actors.model.entity import KEY_BYTES_MAX, KEY_PATTERN
from greenroom.actors.model.kinds import Kind
from greenroom.actors.schema.repeats import REUSED, repeats_of
from greenroom.actors.views.installed import Installed
from greenroom.config.bounds import EVENT_CHANNELS_MAX
from greenroom.transports.codecs.numbers import EXACT_MAX
from greenroom.transports.http.api import COMMAND_ID_MAX
from greenroom.transports.pages.admin import LETTERS_MAX
from greenroom.transports.pages.admin_views import NAME_PATTERN
from greenroom.transports.pages.asyncapi import KEY_IN_WORDS
from greenroom.transports.pages.context import Bounds
from greenroom.transports.pages.described.admin_job_documents import admin_job_paths
from greenroom.transports.pages.described.job_documents import list_paths
from greenroom.transports.pages.described.media_documents import media_paths
from greenroom.transports.pages.described.view_documents import across_path, row_schemas, view_path
from greenroom.transports.pages.message_schemas import (
    Json,
    JsonSchema,
    described,
    doc_of,
    message_schemas,
    resolved,
    without_pages,
)
from greenroom.transports.pages.operator_requests import PAGE_MAX

_POSITION = r"([0-9a-f]{8}[^:,]*:)?(0|[1-9][0-9]{0,14})"
_KEY: Json = {
    "type": "string",
    "minLength": 1,
    "maxLength": KEY_BYTES_MAX,
    "pattern": f"^{KEY_PATTERN}$",
    "description": f"{KEY_IN_WORDS}, percent-encoded where it must be",
}
_CHANNEL: Json = {
    "type": "string",
    "pattern": f"^[a-z][a-z0-9_]*:{KEY_PATTERN}$",
    "description": "`kind:key`, of a kind that is installed",
}


def openapi(
    kinds: Iterable[Kind],
    bounds: Bounds,
    *,
    version: str,
    prefix: str = "",
    admin: bool = False,
    views: Iterable[Installed] = (),
) -> Json:
    """The commands, views and histories of `kinds`, pages of `views`, event streams and probes, and with `admin` what
    operators ask. All of it below `prefix`."""
    kinds = without_pages(kinds)
    schemas, components = message_schemas(kinds)
    views = tuple(views)
    rows, row_components = row_schemas(views)
    job_paths, job_components = admin_job_paths(_KEY, _CHANNEL) if admin else ({}, {})
    paths: Json = {}
    for kind in kinds:
        key = {"name": "key", "in": "path", "required": True, "schema": _KEY}
        for command in kind.commands.values():
            body = schemas[command.message]
            post: Json = {
                "operationId": f"{kind.name}.{command.name}",
                "tags": [kind.name],
                **described(command.message),
                "parameters": _command_headers(kind, bounds),
                "requestBody": {"required": bool(resolved(body, components).get("required")), "content": _json(body)},
                "responses": {
                    "200": {"description": "Handled, and durable", "content": _json(schemas[command.reply])},
                    "409": {"$ref": "#/components/responses/Conflict"},
                    "default": {"$ref": "#/components/responses/Refused"},
                },
            }
            paths[f"/api/{kind.name}/{{key}}/{command.name}"] = {"parameters": [key], "post": post}
        paths[f"/api/{kind.name}/{{key}}"] = {"parameters": [key], "get": _view(kind, bounds)}
        if kind.actor.durable:
            paths[f"/api/{kind.name}/{{key}}/history"] = {"parameters": [key], "get": _history(kind, bounds)}
    if any(kind.name == QUEUE_KIND for kind in kinds):
        paths |= list_paths(_timeout(bounds))
    for view in views:
        key = {"name": "key", "in": "path", "required": True, "schema": _KEY}
        row = rows[view.name]
        paths[f"/api/{view.name}/{{key}}"] = view_path(view, row, row_components, key=key, timeout=_timeout(bounds))
        if any(other.name == view.view.across for other in views):
            paths[f"/api/{view.view.across}/{{key}}/{view.name}"] = across_path(
                view, row, row_components, key=key, timeout=_timeout(bounds)
            )
    return {
        "openapi": "3.1.0",
        "info": {"title": "Greenroom", "version": version, "description": "Commands and reads over HTTP."},
        "servers": [{"url": prefix or "/"}],
        "tags": [
            *({"name": kind.name, "description": doc_of(kind.actor)} for kind in kinds),
            *({"name": view.name, "description": doc_of(view.view)} for view in views),
        ],
        "security": [{"token": []}, {}],
        "paths": paths
        | (media_paths(bounds.upload_bytes_max) if bounds.upload_bytes_max is not None else {})
        | {"/events": {"get": _EVENTS}}
        | _PROBES
        | (_ADMIN if admin else {})
        | job_paths,
        "components": {
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}},
            "responses": {
                "Refused": {"description": "Not done, and why", "content": _json(_REFUSAL)},
                "Conflict": {
                    "description": "Not done. The entity's rules say no; or, by the name "
                    f"{REUSED}, the Idempotency-Key was used before with other fields",
                    "content": _json(_REFUSAL),
                },
            },
            "schemas": components | row_components | job_components,
        },
    }


def _command_headers(kind: Kind, bounds: Bounds) -> list[Json]:
    key: Json = {  # what HTTP can carry: white space around a value is no part of it
        "type": "string",
        "minLength": 1,
        "maxLength": COMMAND_ID_MAX,
        "pattern": r"^[\u0021-\u007e]([\u0020-\u007e]*[\u0021-\u007e])?$",
    }
    return [_header("Idempotency-Key", repeats_of(kind), key), _timeout(bounds)]


def _timeout(bounds: Bounds) -> Json:
    seconds: Json = {"type": "number", "exclusiveMinimum": 0, "maximum": bounds.deadline_max_s}
    return _header("X-Request-Timeout", "Seconds the answer may take", seconds)


def _sureness(kind: Kind) -> Json:
    how = ["fast", "leased", "verified"] if kind.actor.durable else ["fast", "leased"]
    what = "How sure it is that who answers still owns the entity"
    return _query("read", what, type="string", enum=how, default="leased")


def _view(kind: Kind, bounds: Bounds) -> Json:
    return {
        "operationId": f"{kind.name}.view",
        "tags": [kind.name],
        "summary": f"The public view of a {kind.name}, with its epoch and offset",
        "parameters": [_sureness(kind), _timeout(bounds)],
        "responses": {
            "200": {"description": "The view", "content": _json(_object(view={}, epoch=_TEXT, offset=_OFFSET))},
            "default": {"$ref": "#/components/responses/Refused"},
        },
    }


def _history(kind: Kind, bounds: Bounds) -> Json:
    publication = _object(data={}, offset=_OFFSET, time={"type": "integer", "description": "Unix ms"})
    page = _object(publications={"type": "array", "items": publication}, epoch=_TEXT, offset=_OFFSET)
    since = "What was seen last, itself excluded: an offset, or `epoch:offset`, refused (409) in another epoch"
    return {
        "operationId": f"{kind.name}.history",
        "tags": [kind.name],
        "summary": f"What a {kind.name} has published",
        "parameters": [
            _query("since", since, type="string", pattern=f"^{_POSITION}$"),
            _query("limit", "At most so many; 100 unless given", type="integer", minimum=1, maximum=bounds.history_max),
            _query("reverse", "Newest first", type="boolean"),
            _sureness(kind),
            _timeout(bounds),
        ],
        "responses": {
            "200": {"description": "Publications with their offsets", "content": _json(page)},
            "default": {"$ref": "#/components/responses/Refused"},
        },
    }


def _json(schema: Mapping[str, object] | JsonSchema) -> Json:
    return {"application/json": {"schema": schema}}


def _object(**properties: object) -> Json:
    return {"type": "object", "required": list(properties), "properties": properties}


def _header(name: str, text: str, schema: Json) -> Json:
    return {"name": name, "in": "header", "description": text, "schema": schema}


def _query(name: str, text: str, *, required: bool = False, **schema: object) -> Json:
    return {"name": name, "in": "query", "description": text, "required": required, "schema": schema}


_TEXT: Json = {"type": "string"}
_OFFSET: Json = {"type": "integer", "minimum": 0}
_REFUSAL = _object(
    error={
        "type": "object",
        "required": ["code", "name", "message", "temporary"],
        "properties": {
            "code": {"type": "integer"},
            "name": {"type": "string", "examples": ["room.muted"]},
            "message": {"type": "string"},
            "temporary": {"type": "boolean", "description": "Can sending the same again succeed?"},
            "fields": {
                "type": "object",
                "additionalProperties": {"type": "string"},
                "description": "Of a command whose fields are wrong: what is wrong with each",
            },
        },
    }
)
_SINCE = "Resume after this event: the id that it came with"
_EVENTS: Json = {
    "operationId": "events",
    "summary": "Publications of one or more channels as server-sent events",
    "parameters": [
        _query(
            "channel",
            "May be given more than once",
            required=True,
            type="array",
            items=_CHANNEL,
            minItems=1,
            maxItems=EVENT_CHANNELS_MAX,
            uniqueItems=True,
        ),
        _query("as", "`view`: the view whenever it has changed, instead of events", enum=["events", "view"]),
        _query("since", _SINCE, type="string"),
        _header("Last-Event-ID", _SINCE, {"type": "string"}),
    ],
    "responses": {
        "200": {
            "description": "A stream that never ends",
            "content": {"text/event-stream": {"schema": {"type": "string"}}},
        },
        "default": {"$ref": "#/components/responses/Refused"},
    },
}
_PROBE = _json({"type": "object"})
_PROBES: Json = {
    "/health": {
        "get": {
            "operationId": "health",
            "summary": "Is the process alive?",
            "responses": {"200": {"description": "The process is alive", "content": _PROBE}},
        }
    },
    "/ready": {
        "get": {
            "operationId": "ready",
            "summary": "Can it serve?",
            "responses": {
                "200": {"description": "Able to serve", "content": _PROBE},
                "503": {"description": "Not able to serve, and why", "content": _PROBE},
            },
        }
    },
    "/metrics": {
        "get": {
            "operationId": "metrics",
            "summary": "What is counted",
            "responses": {
                "200": {
                    "description": "Prometheus text, version 0.0.4",
                    "content": {"text/plain": {"schema": {"type": "string"}}},
                }
            },
        }
    },
}


def _asked(name: str, summary: str, *parameters: Json) -> Json:
    """What an operator asks."""
    return {
        "get": {
            "operationId": f"admin.{name}",
            "summary": summary,
            "parameters": list(parameters),
            "responses": {
                "200": {"description": "See docs/run/admin.md", "content": _PROBE},
                "default": {"$ref": "#/components/responses/Refused"},
            },
        }
    }


_NAME: Json = {"name": "name", "in": "query", "description": "An entity", "required": True, "schema": _CHANNEL}
_ONE: Json = {"name": "entity", "in": "query", "description": "Of one entity", "required": False, "schema": _CHANNEL}
_PAGE = (
    _query("before", "Go on before this one: `next` of the page before", type="integer", minimum=1, maximum=EXACT_MAX),
    _query("limit", "At most so many; 50 unless given", type="integer", minimum=1, maximum=PAGE_MAX),
)
_IDS: Json = {
    "type": "array",
    "items": {"type": "integer", "minimum": 1, "maximum": EXACT_MAX},
    "minItems": 1,
    "maxItems": LETTERS_MAX,
}


def _decided(name: str, summary: str, answer: str, which: str) -> Json:
    """What is asked about some dead letters."""
    body = _json({**_object(ids=_IDS), "additionalProperties": False})
    found = _json(_object(**{answer: {"type": "array", "items": {"type": "integer"}}}))
    return {
        "post": {
            "operationId": f"admin.{name}",
            "summary": summary,
            "requestBody": {"required": True, "content": body},
            "responses": {
                "200": {"description": which, "content": found},
                "default": {"$ref": "#/components/responses/Refused"},
            },
        }
    }


_TABLE = _query("table", "The `id` of a table", required=True, type="integer", minimum=1, maximum=EXACT_MAX)
_BEHIND = (
    _query("after", "Go on behind this one: `next` of the page before", type="integer", minimum=1, maximum=EXACT_MAX),
    _PAGE[1],
)


def _steered(name: str, summary: str, **more: Json) -> Json:
    """What is done about a view or a sink."""
    view: Json = {"type": "string", "pattern": NAME_PATTERN}
    body = {"type": "object", "properties": {"view": view, **more}, "required": ["view"], "additionalProperties": False}
    return {
        "post": {
            "operationId": f"admin.views.{name}",
            "summary": summary,
            "requestBody": {"required": True, "content": _json(body)},
            "responses": {
                "200": {"description": "See docs/run/admin.md", "content": _PROBE},
                "default": {"$ref": "#/components/responses/Refused"},
            },
        }
    }


_ADMIN: Json = {
    "/admin/api/me": _asked("me", "Who looks, and as what"),
    "/admin/api/cluster": _asked("cluster", "Nodes, and what all of them say together"),
    "/admin/api/entity": _asked("entity", "Where an entity is and why, what waits, who watches", _NAME),
    "/admin/api/state": _asked("state", "Its state, for admins", _NAME),
    "/admin/api/journal": _asked("journal", "Its events, the newest first, for admins", _NAME, *_PAGE),
    "/admin/api/letters": _asked("letters", "Dead letters, the newest first", _ONE, *_PAGE),
    "/admin/api/retry": _decided(
        "retry", "Have dead letters handled once more, for admins", "wished", "Those that will be"
    ),
    "/admin/api/drop": _decided("drop", "Forget dead letters, for admins", "dropped", "Those that there were"),
    "/admin/api/views": _asked("views", "Views and sinks: how far, how fast, and what is parked"),
    "/admin/api/parked": _asked("parked", "Entities that wait in one table", _TABLE, *_BEHIND),
    "/admin/api/views/pause": _steered("pause", "Fold or deliver nothing until it is resumed, for admins"),
    "/admin/api/views/resume": _steered("resume", "Go on with it, for admins"),
    "/admin/api/views/rebuild": _steered("rebuild", "Fill another table beside the live one, for admins"),
    "/admin/api/views/retry": _steered(
        "retry", "Try its parked entities again, or one of them, for admins", entity=_CHANNEL
    ),
    "/admin/api/views/drop-old": _steered("drop_old", "Drop the tables that others took the place of, for admins"),
    "/admin/live": {
        "get": {
            "operationId": "admin.live",
            "summary": "The cluster, views and sinks, or one entity, again and again as server-sent events",
            "parameters": [_ONE, _query("show", "Views and sinks", type="string", enum=["views"])],
            "responses": _EVENTS["responses"],
        }
    },
}
