"""The JSON schemas of everything that kinds are told and show, as msgspec makes them, and what is said of them.

A command's fields, bounds and docstring come from its class, so what the documents say is what the decoder enforces.
"""

import inspect
from collections.abc import Iterable, Mapping
from typing import TypedDict, cast

import msgspec

from greenroom.actors.model.kinds import Kind
from greenroom.actors.schema.shown import published
from greenroom.actors.views.page_actor import is_page

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
        "maxProperties": int,
        "properties": dict[str, "JsonSchema"],
        "required": list[str],
    },
    total=False,
)
NO_REPLY: JsonSchema = {"type": "object", "maxProperties": 0}  # what a command without a reply of its own answers
_REFS = "#/components/schemas/{name}"


def without_pages(kinds: Iterable[Kind]) -> tuple[Kind, ...]:
    """Those that say something of their own: pages of views are described with their views."""
    return tuple(kind for kind in kinds if not is_page(kind.actor))


def message_schemas(kinds: tuple[Kind, ...]) -> tuple[dict[object, JsonSchema], dict[str, JsonSchema]]:
    """The schema of every type that clients of `kinds` meet, by type, and the components that these refer to.

    Commands, replies and publications: of events only what is published, so that no hidden one shows its fields. Two
    kinds may each have a `Send`: msgspec then names the components by module, which is why all are made at once.
    """
    commands = [command for kind in kinds for command in kind.commands.values()]
    types: list[object] = []
    for item in (
        *(command.message for command in commands),
        *(command.reply for command in commands),
        *(publication for kind in kinds for publication, _ in published(kind)),
        *(ephemeral for kind in kinds for ephemeral in kind.actor.ephemerals),
    ):
        if item is not None and item not in types:
            types.append(item)
    made, components = msgspec.json.schema_components(types, ref_template=_REFS)
    schemas: dict[object, JsonSchema] = dict(zip(types, cast(tuple[JsonSchema, ...], made), strict=True))
    schemas[None] = NO_REPLY
    for command in commands:
        drop_tag(schemas[command.message], components)
    return schemas, components


def resolved(schema: JsonSchema, components: Mapping[str, JsonSchema]) -> JsonSchema:
    while "$ref" in schema:
        schema = components[str(schema["$ref"]).rpartition("/")[2]]
    return schema


def doc_of(item: object) -> str:
    """A class's own docstring; msgspec and `object` would lend it theirs."""
    own = getattr(item, "__dict__", {}).get("__doc__")
    return inspect.cleandoc(own) if own else ""


def described(item: object, more: str = "") -> Json:
    """Its `summary` and `description`, where there is something to say."""
    doc = doc_of(item)
    first, _, _ = doc.partition("\n")
    found = {"summary": first, "description": "\n\n".join(part for part in (doc, more) if part)}
    return {name: text for name, text in found.items() if text}


def drop_tag(ref: JsonSchema, components: dict[str, JsonSchema]) -> None:
    """A command's name travels in the path or the rpc's method, so its body needs no `type`."""
    name = str(ref["$ref"]).rpartition("/")[2]
    schema = components[name].copy()
    schema["properties"] = {field: value for field, value in schema["properties"].items() if field != "type"}
    schema["required"] = [field for field in schema.get("required", ()) if field != "type"]
    components[name] = schema
