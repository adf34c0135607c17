"""`greenroom entities`: every kind, as read from the code."""

import sys
from typing import Annotated, Any

import typer
from rich.table import Table

from greenroom.actors.model.message import tag_of
from greenroom.actors.schema.page import entities_page
from greenroom.actors.schema.repeats import repeats_of
from greenroom.actors.schema.shown import name_of, published, shown_events
from greenroom.actors.schema.words import number
from greenroom.config.settings import load_settings
from greenroom.supervisors.cli.chosen.kinds import installed_kinds
from greenroom.supervisors.cli.terminal.console import console
from greenroom.supervisors.cli.terminal.plainly import told_plainly


def show_entities(
    markdown: Annotated[bool, typer.Option("--markdown", help="A page of Markdown, with bounds and refusals.")] = False,
) -> None:
    """Every kind with its commands, events and limits, as read from the code: Greenroom's, and GREENROOM_ENTITIES."""
    with told_plainly():
        kinds = installed_kinds(load_settings())
        if markdown:
            sys.stdout.write(entities_page(kinds))
            return
        for kind in kinds:
            table = Table(
                "what", "name", "fields", title=f"{kind.name} ({kind.actor.__module__})", title_justify="left"
            )
            for name, command in kind.commands.items():
                table.add_row("command", name, _fields(command.message))
            for publication, _ in published(kind):
                table.add_row("event", name_of(publication), _fields(publication))
            for shown in shown_events(kind):
                if not shown.as_:
                    table.add_row("event", tag_of(shown.event), "hidden" if shown.hidden else "")
            table.add_row("repeat", "idempotency_key", repeats_of(kind))
            limits = kind.limits
            for name in limits.__struct_fields__:
                table.add_row("limit", name, number(getattr(limits, name)))
            console.print(table)


def _fields(struct: Any) -> str:
    return ", ".join(name for name in struct.__struct_fields__ if name != "idempotency_key")
