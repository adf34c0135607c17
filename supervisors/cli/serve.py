"""`greenroom serve`: one node, with whatever stores it was given or is to run itself."""

import contextlib
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import trio
import typer

from greenroom.config.settings import Settings, load_settings
from greenroom.config.telemetry.logs import configure_logs
from greenroom.store.own.data_folder import DataFolder
from greenroom.store.own.servers import OwnServers
from greenroom.supervisors.cli.address import server_url
from greenroom.supervisors.cli.console import say
from greenroom.supervisors.cli.database import naming_the_folder
from greenroom.supervisors.cli.installed import installed_kinds
from greenroom.supervisors.cli.plainly import BAD_USAGE, Trouble, told_plainly
from greenroom.supervisors.cli.version import VERSION
from greenroom.supervisors.supervision.signals import drain_on_signal
from greenroom.transports.auth.tokens import TokenConfig, TokenVerifier
from greenroom.transports.sockets.gate import listen

if TYPE_CHECKING:
    from greenroom.supervisors.node.node import Node


def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on (GREENROOM_HOST).")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on (GREENROOM_PORT).")] = None,
    nodes: Annotated[int | None, typer.Option(help="Nodes to run (GREENROOM_NODES); 1 for now.")] = None,
    data_dir: Annotated[Path | None, typer.Option(help="Folder of one's own database (GREENROOM_DATA_DIR).")] = None,
) -> None:
    """Run until SIGINT or SIGTERM, then drain. Prints one line with the URL when ready."""
    with told_plainly():
        settings = load_settings(host=host, port=port, nodes=nodes, data_dir=data_dir)
        if settings.nodes != 1:
            raise Trouble("GREENROOM_NODES: this version runs 1 node", status=BAD_USAGE)
        configure_logs(settings.log)
        kinds = installed_kinds(settings)
        with contextlib.ExitStack() as stack:
            # The port first: whoever has it is probably another greenroom, and nothing was started in vain.
            listener = stack.enter_context(listen(settings.host, settings.port, backlog=settings.gate.backlog))
            real_port = listener.getsockname()[1]
            own: OwnServers | None = None
            data_folder: DataFolder | None = None
            database_url = settings.database_url.get_secret_value() if settings.database_url else None
            redis_url = settings.redis_url.get_secret_value() if settings.redis_url else None
            if database_url is None or redis_url is None or settings.env == "local":
                data_folder = stack.enter_context(DataFolder(Path(settings.data_dir)))
            if database_url is None or redis_url is None:
                assert data_folder is not None
                own = OwnServers(data_folder.path)
                stack.callback(own.stop)
                naming_the_folder(own.launch, data_folder)
            # Here, for the other commands need none of it, and our own servers start up in the meantime.
            from greenroom.supervisors.node.node import Node

            if own is not None and data_folder is not None:
                own_database_url, own_redis_url = naming_the_folder(own.answering, data_folder)
                database_url = database_url or own_database_url
                redis_url = redis_url or own_redis_url
            assert database_url is not None and redis_url is not None
            tokens = token_config(settings, data_folder)
            node = Node(
                settings,
                kinds=kinds,
                database_url=database_url,
                redis_url=redis_url,
                tokens=TokenVerifier(tokens, time.time) if tokens is not None else None,
                listener=listener,
                url=server_url(settings, port=real_port),
                version=VERSION,
                clock=time.time,
                own_servers=own,
            )
            trio.run(_serve, node, strict_exception_groups=True)


def token_config(settings: Settings, data_folder: DataFolder | None) -> TokenConfig | None:
    """What tokens are checked against; None when nothing is configured and there is no folder to keep a secret in."""
    if settings.auth_public_key is not None:
        return TokenConfig(public_key=settings.auth_public_key)
    if settings.auth_jwks_file is not None:
        return TokenConfig(jwks=Path(settings.auth_jwks_file).read_bytes())
    if settings.auth_secret is not None:
        return TokenConfig(secret=settings.auth_secret.get_secret_value().encode())
    if settings.env == "local" and data_folder is not None:
        return TokenConfig(secret=data_folder.secret("auth").encode())
    return None


async def _serve(node: "Node") -> None:
    drain = trio.Event()
    async with trio.open_nursery() as nursery:  # owner: the process
        await nursery.start(drain_on_signal, drain)
        async with trio.open_nursery() as running:
            await running.start(node.run, drain)
            say(f"Greenroom is ready: {node.url}")
        nursery.cancel_scope.cancel()
