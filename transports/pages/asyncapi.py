"""The live channels as an AsyncAPI 3.0 document, generated from the message types.

Source: https://www.asyncapi.com/docs/reference/specification/v3.0.0
"""

from collections.abc import Iterable

from greenroom.actors.model.kinds import Kind
from greenroom.actors.model.message import tag_of
from greenroom.actors.schema.repeats import repeats_of
from greenroom.actors.schema.shown import Shown, name_of, published, shown_events
from greenroom.actors.views.installed import Installed
from greenroom.transports.pages.described.view_documents import row_schemas, view_channel
from greenroom.transports.pages.message_schemas import Json, described, doc_of, message_schemas, without_pages

KEY_IN_WORDS = "The entity's key: 1–255 bytes of UTF-8, without control characters"


def servers(*, host: str, prefix: str = "") -> Json:
    """The document's `servers`; `host` with its port, as clients reach it."""
    return {"here": {"host": host, "pathname": f"{prefix}/connection/websocket", "protocol": "ws"}}


def asyncapi(kinds: Iterable[Kind], *, version: str, views: Iterable[Installed] = ()) -> Json:
    """The channels of `kinds` and of `views`, what they publish and what they take: the document without its `servers`.

    Actions are the server's: it sends publications and receives commands (over the client protocol, an rpc).
    """
    kinds = without_pages(kinds)
    schemas, components = message_schemas(kinds)
    channels: Json = {}
    operations: Json = {}
    messages: Json = {}
    for kind in kinds:
        channel = f"#/channels/{kind.name}"
        names = []
        for publication, sources in published(kind):
            names.append(name_of(publication))
            payload = schemas[publication]
            messages[names[-1]] = {
                "title": names[-1],
                **described(publication, _lasting(sources)),
                "payload": payload,
            }
        for ephemeral in kind.actor.ephemerals:
            names.append(tag_of(ephemeral))
            messages[names[-1]] = {
                "title": names[-1],
                **described(ephemeral, "Ephemeral: carries no offset."),
                "payload": schemas[ephemeral],
            }
        if names:
            operations[f"{kind.name}.watch"] = {
                "action": "send",
                "title": f"publications of {kind.name}:{{key}} to its subscribers",
                "channel": {"$ref": channel},
                "messages": [{"$ref": f"{channel}/messages/{name}"} for name in names],
            }
        for command in kind.commands.values():
            # Suffixes, since a publication may share the command's name: room.comment is both.
            asked, answered = f"{kind.name}.{command.name}-command", f"{kind.name}.{command.name}-reply"
            names += [asked, answered]
            method = f"{kind.name}:{{key}}/{command.name}"
            messages[asked] = {"title": method, **described(command.message), "payload": schemas[command.message]}
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
        about = (doc_of(kind.actor), _hidden_in_words(kind), repeats_of(kind))
        channels[kind.name] = {
            "address": f"{kind.name}:{{key}}",
            "description": "\n\n".join(part for part in about if part),
            "parameters": {"key": {"description": KEY_IN_WORDS}},
            "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in names},
        }
    watched = [view for view in views if view.view.watch is not None]
    rows, row_components = row_schemas(watched)
    for view in watched:
        shown = view_channel(view, rows[view.name])
        channels[view.name], operations[f"{view.name}.watch"] = shown[:2]
        messages |= shown[2]
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Greenroom",
            "version": version,
            "description": "Live channels, over the client protocol of the Centrifuge SDKs.",
        },
        "defaultContentType": "application/json",
        "channels": channels,
        "operations": operations,
        "components": {"messages": messages, "schemas": components | row_components},
    }


def _lasting(sources: list[Shown]) -> str:
    notes = dict.fromkeys(shown.in_words for shown in sources if shown.hidden)
    return " ".join(("Durable: carries an offset.", *notes))


def _hidden_in_words(kind: Kind) -> str:
    hidden = [f"`{tag_of(shown.event)}`" for shown in shown_events(kind) if not shown.as_ and shown.hidden]
    return f"Hidden, so that their offsets are missing: {', '.join(hidden)}." if hidden else ""
