"""`greenroom serve`: one node or several, with whatever stores they were given or this is to run itself."""

import importlib
from pathlib import Path
from typing import Annotated, Any

import typer

from greenroom.config.settings import load_settings
from greenroom.config.telemetry.logs import configure_logs, logs_aside
from greenroom.supervisors.cli.chosen.kinds import installed_jobs, installed_kinds, installed_sinks, installed_views
from greenroom.supervisors.cli.serving.ground import Ground
from greenroom.supervisors.cli.serving.group import serve_nodes
from greenroom.supervisors.cli.serving.loading import loading
from greenroom.supervisors.cli.serving.restarting import serve_and_reload
from greenroom.supervisors.cli.serving.running import run_node, say_ready
from greenroom.supervisors.cli.terminal.plainly import BAD_USAGE, Trouble, told_plainly


def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on (GREENROOM_HOST).")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on (GREENROOM_PORT).")] = None,
    nodes: Annotated[
        int | None,
        typer.Option(help="So many on this host, on one port; 0: one, beside others anywhere (GREENROOM_NODES)."),
    ] = None,
    data_dir: Annotated[Path | None, typer.Option(help="Folder of one's own database (GREENROOM_DATA_DIR).")] = None,
    reload: Annotated[
        bool,
        typer.Option(
            "--reload", help="Start anew when your code changes, with the data kept (GREENROOM_ENV=local only)."
        ),
    ] = False,
) -> None:
    """Run until SIGINT or SIGTERM, then drain. Prints one line with the URL when ready.

    Serves Greenroom's own entities and those that GREENROOM_ENTITIES names, from the folder one stands in.
    """
    options: dict[str, Any] = {"host": host, "port": port, "nodes": nodes, "data_dir": data_dir}
    with told_plainly():
        settings = load_settings(**options)
        if reload and settings.nodes > 1:
            raise Trouble(f"--reload goes with one node, not {settings.nodes} (GREENROOM_NODES)", status=BAD_USAGE)
        configure_logs(settings.log)
        if settings.nodes > 1:
            with logs_aside():
                serve_nodes(settings, options)
            return
        if reload:
            if settings.env != "local":
                raise Trouble(f"--reload goes with GREENROOM_ENV=local, not {settings.env}", status=BAD_USAGE)
            with logs_aside():
                serve_and_reload(settings, options)
            return
        kinds = installed_kinds(settings)
        views = installed_views(settings, kinds)
        sinks = installed_sinks(settings, views)
        jobs = installed_jobs(settings)
        with logs_aside(), Ground(settings) as ground:
            with loading():
                importlib.import_module(
                    "greenroom.supervisors.node.node"
                )  # takes a while, as our own servers do meanwhile
            database_url, redis_url = ground.answering()
            assert ground.listener is not None  # as with every single node
            run_node(
                settings,
                kinds,
                views,
                sinks,
                jobs,
                listener=ground.listener,
                database_url=database_url,
                redis_url=redis_url,
                data_folder=ground.data_folder,
                own_servers=ground.own,
                ready=say_ready,
            )
