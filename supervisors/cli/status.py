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
from greenroom.supervisors.cli.terminal.console import console
from greenroom.supervisors.cli.terminal.plainly import Trouble, told_plainly

ANSWER_S = 5.0
SHOWN = ("status", "version", "shards", "awake", "connections", "subscriptions", "redis")


def show_status(
    url: Annotated[str | None, typer.Option(help="Where the server listens; as the settings say.")] = None,
) -> None:
    """Nodes, shards, awake actors, connections, as a table."""
    with told_plainly():
        try:
            url = url or server_url(load_settings())
            with urllib.request.urlopen(url.rstrip("/") + "/health", timeout=ANSWER_S) as answer:
                health: dict[str, Any] = json.load(answer)
        except (urllib.error.URLError, TimeoutError, ValueError) as error:
            raise Trouble(f"{url}: {error}") from error
        started = datetime.fromtimestamp(health.get("started_at_ms", 0) / 1000, UTC).isoformat(" ", "seconds")
        table = Table("node", str(health.get("node", "?")))  # a column a node: nine columns don't fit a terminal
        table.add_row("started", started)
        for name in SHOWN:
            table.add_row(name, str(health.get(name, "?")))
        console.print(table)
