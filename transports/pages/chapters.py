"""What the documents of the API say, in the shape of the /docs page: for people."""

from collections.abc import Iterable, Iterator, Mapping

from msgspec import Struct

from greenroom.actors.model.kinds import Kind
from greenroom.actors.model.message import tag_of
from greenroom.actors.schema.repeats import repeats_of
from greenroom.actors.schema.shown import name_of, published, shown_events
from greenroom.transports.pages.message_schemas import JsonSchema, doc_of, message_schemas, resolved, without_pages


class Field(Struct, frozen=True):
    """One field of a message."""

    name: str
    type: str
    required: bool


class Entry(Struct, frozen=True):
    """One command, publication or ephemeral publication."""

    name: str
    doc: str
    fields: tuple[Field, ...]
    reply: tuple[Field, ...] = ()


class Chapter(Struct, frozen=True):
    """One kind."""

    name: str
    doc: str
    durable: bool
    repeats: str  # what becomes of a repeated command
    commands: tuple[Entry, ...]
    events: tuple[Entry, ...]  # as they are published
    hidden: tuple[str, ...]  # names of the events of which nothing is
    ephemerals: tuple[Entry, ...]


def chapters(kinds: Iterable[Kind]) -> list[Chapter]:
    """One for each kind, in the order given."""
    kinds = without_pages(kinds)
    schemas, components = message_schemas(kinds)

    def entry(name: str, item: object, reply: object = None, more: str = "") -> Entry:
        return Entry(
            name=name,
            doc=f"{doc_of(item)}\n\n{more}".strip(),
            fields=tuple(_fields(schemas[item], components)),
            reply=tuple(_fields(schemas[reply], components)),
        )

    return [
        Chapter(
            name=kind.name,
            doc=doc_of(kind.actor),
            durable=kind.actor.durable,
            repeats=repeats_of(kind),
            commands=tuple(entry(item.name, item.message, item.reply) for item in kind.commands.values()),
            events=tuple(
                entry(name_of(item), item, more=" ".join({shown.in_words for shown in sources if shown.hidden}))
                for item, sources in published(kind)
            ),
            hidden=tuple(tag_of(shown.event) for shown in shown_events(kind) if not shown.as_ and shown.hidden),
            ephemerals=tuple(entry(tag_of(item), item) for item in kind.actor.ephemerals),
        )
        for kind in kinds
    ]


def _fields(schema: JsonSchema, components: Mapping[str, JsonSchema]) -> Iterator[Field]:
    schema = resolved(schema, components)
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
