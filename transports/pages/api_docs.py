"""The API's documents, generated from the message types: OpenAPI 3.1 for HTTP, AsyncAPI 3.0 for the live channels.

Nothing is written by hand twice: a command's fields, bounds and docstring come from its class, so what these documents
say is what the decoder enforces.
Source: https://spec.openapis.org/oas/v3.1.1, https://www.asyncapi.com/docs/reference/specification/v3.0.0
"""

import inspect
from collections.abc import Iterable, Iterator, Mapping
from typing import TypedDict, cast

import msgspec
from msgspec import Struct

from greenroom.actors.model.kinds import Kind
from greenroom.actors.model.message import tag_of
from greenroom.actors.schema.repeats import REUSED, repeats_of

Json = dict[str, object]
JsonSchema = TypedDict(  # what is read here of the schemas that msgspec makes
    "JsonSchema",
    {
        "$ref": str,
        "anyOf": list["JsonSchema"],
        "enum": list[object],
        "type": str,
        "items": "JsonSchema",
        "minLength": int,
        "maxLength": int,
        "minimum": float,
        "maximum": float,
        "properties": dict[str, "JsonSchema"],
        "required": list[str],
    },
    total=False,
)
_REFS = "#/components/schemas/{name}"
_KEY: Json = {
    "type": "string",
    "minLength": 1,
    "maxLength": 255,
    "description": "The entity's key: 1–255 bytes of UTF-8",
}


def openapi(kinds: Iterable[Kind], *, version: str) -> Json:
    """The HTTP commands, views and histories of `kinds` as an OpenAPI 3.1 document."""
    kinds = tuple(kinds)
    schemas, components = _schemas(kinds)
    paths: Json = {}
    for kind in kinds:
        key = {"name": "key", "in": "path", "required": True, "schema": _KEY}
        for command in kind.commands.values():
            post: Json = {
                "operationId": f"{kind.name}.{command.name}",
                "tags": [kind.name],
                **_described(command.message),
                "parameters": [
                    _header("Idempotency-Key", repeats_of(kind), minLength=1, maxLength=255),
                    _header("X-Request-Timeout", "Seconds the answer may take", kind="number"),
                ],
                "requestBody": {"content": _json(schemas[command.message])},
                "responses": {
                    "200": {"description": "Handled, and durable", "content": _json(schemas[command.reply])},
                    "409": {"$ref": "#/components/responses/Conflict"},
                    "default": {"$ref": "#/components/responses/Refused"},
                },
            }
            paths[f"/api/{kind.name}/{{key}}/{command.name}"] = {"parameters": [key], "post": post}
        paths[f"/api/{kind.name}/{{key}}"] = {"parameters": [key], "get": _view(kind)}
        if kind.actor.durable:
            paths[f"/api/{kind.name}/{{key}}/history"] = {"parameters": [key], "get": _history(kind)}
    return {
        "openapi": "3.1.0",
        "info": {"title": "Greenroom", "version": version, "description": "Commands and reads over HTTP."},
        "tags": [{"name": kind.name, "description": _doc(kind.actor)} for kind in kinds],
        "security": [{"token": []}, {}],
        "paths": paths | _FIXED_PATHS,
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
            "schemas": components,
        },
    }


def asyncapi(kinds: Iterable[Kind], *, version: str) -> Json:
    """The channels of `kinds`, what they publish and what they take, as an AsyncAPI 3.0 document.

    Actions are the server's: it sends publications and receives commands (over the client protocol, an rpc).
    """
    kinds = tuple(kinds)
    schemas, components = _schemas(kinds)
    channels: Json = {}
    operations: Json = {}
    messages: Json = {}
    for kind in kinds:
        channel = f"#/channels/{kind.name}"
        published = [*kind.actor.events, *kind.actor.ephemerals]
        names = [tag_of(item) for item in published]
        for item in published:
            lasting = "Durable: carries an offset." if item in kind.actor.events else "Ephemeral: carries no offset."
            messages[tag_of(item)] = {"title": tag_of(item), **_described(item, lasting), "payload": schemas[item]}
        for command in kind.commands.values():
            # Suffixes, since a publication may share the command's name: room.comment is both.
            asked, answered = f"{kind.name}.{command.name}-command", f"{kind.name}.{command.name}-reply"
            names += [asked, answered]
            method = f"{kind.name}:{{key}}/{command.name}"
            messages[asked] = {"title": method, **_described(command.message), "payload": schemas[command.message]}
            messages[answered] = {"title": f"reply to {method}", "payload": schemas[command.reply]}
            operations[f"{kind.name}.{command.name}"] = {
                "action": "receive",
                "title": f"rpc {method}",
                "channel": {"$ref": channel},
                "messages": [{"$ref": f"{channel}/messages/{asked}"}],
                "reply": {
                    "channel": {"$ref": channel},
                    "messages": [{"$ref": f"{channel}/messages/{answered}"}],
                },
            }
        if published:
            operations[f"{kind.name}.watch"] = {
                "action": "send",
                "title": f"publications of {kind.name}:{{key}} to its subscribers",
                "channel": {"$ref": channel},
                "messages": [{"$ref": f"{channel}/messages/{tag_of(item)}"} for item in published],
            }
        channels[kind.name] = {
            "address": f"{kind.name}:{{key}}",
            "description": f"{_doc(kind.actor)}\n\n{repeats_of(kind)}".strip(),
            "parameters": {"key": {"description": _KEY["description"]}},
            "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in names},
        }
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Greenroom",
            "version": version,
            "description": "Live channels, over the client protocol of the Centrifuge SDKs.",
        },
        "defaultContentType": "application/json",
        "servers": {"here": {"host": "localhost", "pathname": "/connection/websocket", "protocol": "ws"}},
        "channels": channels,
        "operations": operations,
        "components": {"messages": messages, "schemas": components},
    }


class Field(Struct, frozen=True):
    """One field of a message, for people."""

    name: str
    type: str
    required: bool


class Entry(Struct, frozen=True):
    """One command, event or ephemeral publication, for people."""

    name: str
    doc: str
    fields: tuple[Field, ...]
    reply: tuple[Field, ...] = ()


class Chapter(Struct, frozen=True):
    """One kind, for people."""

    name: str
    doc: str
    durable: bool
    repeats: str  # what becomes of a repeated command
    commands: tuple[Entry, ...]
    events: tuple[Entry, ...]
    ephemerals: tuple[Entry, ...]


def chapters(kinds: Iterable[Kind]) -> list[Chapter]:
    """What the documents say, in the shape of the /docs page."""
    kinds = tuple(kinds)
    schemas, components = _schemas(kinds)

    def entry(name: str, item: object, reply: object = None) -> Entry:
        return Entry(
            name=name,
            doc=_doc(item),
            fields=tuple(_fields(schemas[item], components)),
            reply=tuple(_fields(schemas[reply], components)) if reply is not None else (),
        )

    return [
        Chapter(
            name=kind.name,
            doc=_doc(kind.actor),
            durable=kind.actor.durable,
            repeats=repeats_of(kind),
            commands=tuple(entry(item.name, item.message, item.reply) for item in kind.commands.values()),
            events=tuple(entry(tag_of(item), item) for item in kind.actor.events),
            ephemerals=tuple(entry(tag_of(item), item) for item in kind.actor.ephemerals),
        )
        for kind in kinds
    ]


def _schemas(kinds: tuple[Kind, ...]) -> tuple[dict[object, JsonSchema], dict[str, JsonSchema]]:
    """The schema of every type that `kinds` use, by type, and the components that these refer to.

    Two kinds may each have a `Send`: msgspec then names the components by module, which is why all are made at once.
    """
    commands = [command for kind in kinds for command in kind.commands.values()]
    types: list[object] = []
    for item in (
        *(command.message for command in commands),
        *(command.reply for command in commands),
        *(event for kind in kinds for event in (*kind.actor.events, *kind.actor.ephemerals)),
    ):
        if item not in types:
            types.append(item)
    made, components = msgspec.json.schema_components(types, ref_template=_REFS)
    schemas: dict[object, JsonSchema] = dict(zip(types, cast(tuple[JsonSchema, ...], made), strict=True))
    for command in commands:
        _drop_tag(schemas[command.message], components)
    return schemas, components


def _drop_tag(ref: JsonSchema, components: dict[str, JsonSchema]) -> None:
    """A command's name travels in the path or the rpc's method, so its body needs no `type`."""
    name = str(ref["$ref"]).rpartition("/")[2]
    schema = components[name].copy()
    schema["properties"] = {field: value for field, value in schema["properties"].items() if field != "type"}
    schema["required"] = [field for field in schema.get("required", ()) if field != "type"]
    components[name] = schema


def _fields(schema: JsonSchema, components: Mapping[str, JsonSchema]) -> Iterator[Field]:
    schema = _resolved(schema, components)
    required = schema.get("required", ())
    for name, value in schema.get("properties", {}).items():
        if name != "idempotency_key":  # every command has it; the page says so once
            yield Field(name=name, type=_type(value, components), required=name in required)


def _type(schema: JsonSchema, components: Mapping[str, JsonSchema]) -> str:
    """A schema in a few words: `string, 1–4000 characters`."""
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    if "anyOf" in schema:
        return " or ".join(_type(item, components) for item in schema["anyOf"])
    if "enum" in schema:
        return " or ".join(repr(item).replace("'", '"') for item in schema["enum"])
    kind = schema.get("type", "any JSON")
    if kind == "array":
        return f"list of {_type(schema.get('items', {}), components)}"
    low = schema.get("minLength", schema.get("minimum"))
    high = schema.get("maxLength", schema.get("maximum"))
    unit = " characters" if kind == "string" else ""
    if low is not None and high is not None:
        return f"{kind}, {low}–{high}{unit}"
    if high is not None:
        return f"{kind}, at most {high}{unit}"
    if low is not None:
        return f"{kind}, at least {low}{unit}"
    return str(kind)


def _resolved(schema: JsonSchema, components: Mapping[str, JsonSchema]) -> JsonSchema:
    while "$ref" in schema:
        schema = components[str(schema["$ref"]).rpartition("/")[2]]
    return schema


def _doc(item: object) -> str:
    """A class's own docstring; msgspec and `object` would lend it theirs."""
    own = getattr(item, "__dict__", {}).get("__doc__")
    return inspect.cleandoc(own) if own else ""


def _described(item: object, more: str = "") -> Json:
    doc = _doc(item)
    first, _, _ = doc.partition("\n")
    found = {"summary": first, "description": "\n\n".join(part for part in (doc, more) if part)}
    return {name: text for name, text in found.items() if text}


def _json(schema: Mapping[str, object]) -> Json:
    return {"application/json": {"schema": schema}}


def _header(name: str, text: str, *, kind: str = "string", **bounds: int) -> Json:
    return {"name": name, "in": "header", "description": text, "schema": {"type": kind, **bounds}}


def _query(name: str, text: str, **schema: object) -> Json:
    return {"name": name, "in": "query", "description": text, "schema": schema}


def _view(kind: Kind) -> Json:
    return {
        "operationId": f"{kind.name}.view",
        "tags": [kind.name],
        "summary": f"The public view of a {kind.name}, with its epoch and offset",
        "responses": {
            "200": {"description": "The view", "content": _json({"type": "object"})},
            "default": {"$ref": "#/components/responses/Refused"},
        },
    }


def _history(kind: Kind) -> Json:
    return {
        "operationId": f"{kind.name}.history",
        "tags": [kind.name],
        "summary": f"What a {kind.name} has published",
        "parameters": [
            _query("since", "The offset last seen, itself excluded", type="integer", minimum=0),
            _query("limit", "At most so many", type="integer", minimum=1),
            _query("reverse", "Newest first", type="boolean"),
        ],
        "responses": {
            "200": {"description": "Publications with their offsets", "content": _json({"type": "object"})},
            "default": {"$ref": "#/components/responses/Refused"},
        },
    }


_REFUSAL = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["code", "name", "message", "temporary"],
            "properties": {
                "code": {"type": "integer"},
                "name": {"type": "string", "examples": ["room.muted"]},
                "message": {"type": "string"},
                "temporary": {"type": "boolean", "description": "Can sending the same again succeed?"},
            },
        }
    },
}

_FIXED_PATHS: Json = {
    "/events": {
        "get": {
            "operationId": "events",
            "summary": "Publications of one or more channels as server-sent events",
            "parameters": [
                _query("channel", "`kind:key`; may be given more than once", type="array", items={"type": "string"}),
                _header("Last-Event-ID", "Resume after this event"),
            ],
            "responses": {
                "200": {"description": "A stream that never ends", "content": {"text/event-stream": {}}},
                "default": {"$ref": "#/components/responses/Refused"},
            },
        }
    },
    "/health": {"get": {"operationId": "health", "responses": {"200": {"description": "The process is alive"}}}},
    "/ready": {
        "get": {
            "operationId": "ready",
            "responses": {
                "200": {"description": "Able to serve"},
                "503": {"description": "Not able to serve, and why"},
            },
        }
    },
    "/metrics": {"get": {"operationId": "metrics", "responses": {"200": {"description": "Prometheus text"}}}},
}
