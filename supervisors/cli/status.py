"""`greenroom status`: what a running server says of itself."""

import json
import urllib.error
import urllib.request
from datetime import UTC, datetime
from typing import Annotated, Any

import typer
from rich.table import Table

from greenroom.config.settings import load_settings
from greenroom.supervisors.cli.chosen.address import server_url
from greenroom.supervisors.cli.chosen.tokens import own_token
from greenroom.supervisors.cli.terminal.console import console
from greenroom.supervisors.cli.terminal.plainly import Trouble, told_plainly

ANSWER_S = 5.0
SHOWN = ("status", "version", "shards", "awake", "connections", "subscriptions", "redis")


def show_status(
    url: Annotated[str | None, typer.Option(help="Where the server listens; as the settings say.")] = None,
    token: Annotated[
        str | None, typer.Option(help="With the role service or admin, where GREENROOM_DETAILS asks for one.")
    ] = None,
) -> None:
    """Nodes, shards, awake actors, connections, as a table; and those of other nodes, where there are any.

    Without --url and --token it shows a token of its own, signed with GREENROOM_AUTH_SECRET where that is set.
    """
    with told_plainly():
        try:
            settings = load_settings()
            asked = urllib.request.Request((url or server_url(settings)).rstrip("/") + "/health")
            if token := token or (own_token(settings, "greenroom-status", ["service"]) if url is None else None):
                asked.add_header("Authorization", f"Bearer {token}")
            url = asked.full_url
            with urllib.request.urlopen(asked, timeout=ANSWER_S) as answer:
                health: dict[str, Any] = json.load(answer)
        except (urllib.error.URLError, TimeoutError, ValueError) as error:
            raise Trouble(f"{url}: {error}") from error
        started = datetime.fromtimestamp(health.get("started_at_ms", 0) / 1000, UTC).isoformat(" ", "seconds")
        table = Table("node", str(health.get("node", "?")))  # a column a node: nine columns don't fit a terminal
        table.add_row("started", started)
        nodes: list[dict[str, Any]] = health.get("nodes", [])
        if len(nodes) > 1:
            health["shards"] = f"{health.get('shards_owned', '?')} of {health.get('shards', '?')}"
        for name in SHOWN:
            table.add_row(name, str(health.get(name, "?")))
        console.print(table)
        if len(nodes) > 1:
            console.print(f"links: {health.get('links', '?')}")
            console.print(nodes_table(nodes, str(health.get("node", ""))))


def nodes_table(nodes: list[dict[str, Any]], me: str) -> Table:
    """A row a node; `me` is the one that was asked, whose links these are."""
    table = Table("node", "state", "shards", "lease", "version", "link")
    for one in nodes:
        name = str(one.get("node", "?"))
        link = "this node" if name == me else str(one.get("link", "?"))
        if one.get("link_held_bytes"):
            link += f"\n{one['link_held_bytes']} bytes wait"
        table.add_row(
            f"{one.get('url', '?')}\n{name}",
            *(str(one.get(key, "?")) for key in ("state", "shards")),
            f"{one.get('lease_left_s', '?')} s",
            str(one.get("version", "?")),
            link,
        )
    return table
