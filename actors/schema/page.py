"""The entities as a page of Markdown, read off their code: what each takes, keeps, shows and refuses."""

import inspect
from collections.abc import Iterable, Iterator, Sequence

from greenroom.actors.model.kinds import Kind
from greenroom.actors.model.message import tag_of
from greenroom.actors.schema.description import KindSchema, StructSchema, describe, describe_struct
from greenroom.actors.schema.refusals import refusals_of
from greenroom.actors.schema.repeats import repeats_of
from greenroom.actors.schema.shown import name_of, published, shown_events
from greenroom.actors.schema.words import field_in_words, number, type_in_words

HEADING = """\
# Entities

Printed from the code by `greenroom entities --markdown`. `?` marks what may be left out. A command is sent with
`POST /api/{kind}/{key}/{command}`, or over the client protocol as an `rpc` of `{kind}:{key}/{command}`; all of them
take an `idempotency_key`. `→` is what the answer holds. Events stand here as their watchers see them.
"""


def entities_page(kinds: Iterable[Kind]) -> str:
    """The whole page; a section for each kind, in the order given."""
    kinds = list(kinds)
    schema = describe(kinds)
    return "\n".join([HEADING, *(_section(kind, schema.kinds[kind.name]) for kind in kinds)])


def _section(kind: Kind, schema: KindSchema) -> str:
    parts = [f"## {kind.name}", doc_of(kind.actor)]
    commands = {tag_of(command.message): command.message for command in kind.commands.values()}
    if commands:
        rows = [
            (
                f"`{tag.partition('.')[2]}`{_answer(schema.commands[tag], schema)}",
                _fields(schema.commands[tag], schema.structs),
                doc_of(message),
            )
            for tag, message in commands.items()
        ]
        parts.append(_table(("Command", "Fields", ""), rows))
    if kind.publish_command is not None:
        parts.append(f"A `publish` into the channel is a `{kind.publish_command.name}`.")
    rows = list(_event_rows(kind))
    parts.append(_table(("Event", "Fields", ""), rows) if rows else "")
    rows = [
        (f"`{tag_of(cls)}`", _fields(schema.ephemerals[tag_of(cls)], schema.structs), doc_of(cls))
        for cls in kind.actor.ephemerals
    ]
    parts.append(_table(("Ephemeral", "Fields", ""), rows) if rows else "")
    refusals = [(f"`{one.name}`", str(one.status), "; ".join(one.details)) for one in refusals_of(kind.actor)]
    parts.append(_table(("Refusal", "Status", "Said with it"), refusals) if refusals else "")
    limits = [(f"`{name}`", number(getattr(kind.limits, name))) for name in kind.limits.__struct_fields__]
    parts += [_table(("Limit", ""), limits), repeats_of(kind)]
    return "\n\n".join(part for part in parts if part) + "\n"


def _event_rows(kind: Kind) -> Iterator[tuple[str, str, str]]:
    """What is published, then the names of what is not."""
    for cls, sources in published(kind):
        others = ", ".join(f"`{tag_of(shown.event)}`" for shown in sources if tag_of(shown.event) != name_of(cls))
        notes = {shown.in_words for shown in sources if shown.hidden}
        text = " ".join(part for part in (doc_of(cls), f"Shown of {others}." if others else "", *notes) if part)
        yield f"`{name_of(cls)}`", _fields(*describe_struct(cls)), text
    for shown in shown_events(kind):
        if not shown.as_:
            yield f"`{tag_of(shown.event)}`", "", shown.in_words


def _fields(struct: StructSchema, structs: dict[str, StructSchema]) -> str:
    fields = {name: field for name, field in struct.fields.items() if name != "idempotency_key"}
    return "<br>".join(field_in_words(name, field, structs) for name, field in fields.items())


def _answer(struct: StructSchema, schema: KindSchema) -> str:
    """Of a command that is answered with more than that it was done."""
    words = type_in_words(struct.reply, schema.structs) if struct.reply else ""
    return "" if words in ("", "{}") else f" → `{words}`"


def doc_of(cls: type) -> str:
    """The first paragraph of the class's own docstring, in one line; "" when it has none."""
    text = cls.__dict__.get("__doc__") or ""
    return " ".join(inspect.cleandoc(text).partition("\n\n")[0].split())


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    return "\n".join(_lines(head, rows))


def _lines(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(head)} |"
    yield f"|{'---|' * len(head)}"
    for row in rows:
        yield f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |"
