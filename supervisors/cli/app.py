"""The command line: `greenroom serve`, `token`, `migrate`, `status`, `entities`, `schema`, `dead-letters`.

Exit status: 0 on success, 2 for bad usage or settings (naming the setting), 1 otherwise.
"""

import contextlib
import importlib.metadata
import json
import os
import secrets
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import structlog
import trio
import typer
from rich.console import Console
from rich.table import Table

from greenroom.actors.chat.room import Room
from greenroom.actors.identity.session import Session
from greenroom.actors.model.kinds import BadEntityClass, Kinds, find_actors
from greenroom.actors.model.message import tag_of
from greenroom.actors.schema.repeats import repeats_of
from greenroom.config.settings import Settings, SettingsError, load_settings
from greenroom.config.telemetry.exporters import ExporterMissing
from greenroom.config.telemetry.logs import configure_logs
from greenroom.store.errors import StoreUnavailable
from greenroom.store.own.data_folder import DataFolder, DataFolderBusy, DataFolderError
from greenroom.store.own.servers import OwnServerFailed, OwnServers
from greenroom.store.postgres.bridge import Bridge
from greenroom.store.postgres.migrate import check, migrate
from greenroom.store.postgres.pool import Pool
from greenroom.supervisors.supervision.signals import drain_on_signal
from greenroom.transports.auth.tokens import TokenConfig, TokenInvalid, TokenSigner, TokenVerifier
from greenroom.transports.sockets.gate import PortTaken, listen

if TYPE_CHECKING:
    from greenroom.supervisors.node.node import Node

log = structlog.get_logger("greenroom")
app = typer.Typer(
    name="greenroom",
    help="A realtime backend of supervised actors.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,  # its tracebacks may show values of variables, secrets among them
)
console = Console()
R = TypeVar("R")

try:
    VERSION = importlib.metadata.version("greenroom")
except importlib.metadata.PackageNotFoundError:  # run from a checkout that is not installed
    VERSION = "0"


class Trouble(Exception):
    """An error for the person at the terminal; `status` is the exit status."""

    def __init__(self, message: str, *, status: int = 1) -> None:
        super().__init__(message)
        self.status = status


@contextlib.contextmanager
def told_plainly() -> Iterator[None]:
    """Turn the errors that an operator can act on into one line and an exit status."""
    try:
        yield
    except Exception as error:
        match _only_leaf(error):
            case (SettingsError() | BadEntityClass() | ExporterMissing()) as cause:
                _fail(str(cause), 2)
            case Trouble() as cause:
                _fail(str(cause), cause.status)
            case StoreUnavailable() as cause:
                _fail(f"GREENROOM_DATABASE_URL: {cause}", 1)
            case (PortTaken() | DataFolderError() | OwnServerFailed() | TokenInvalid() | OSError()) as cause:
                _fail(str(cause) or repr(cause), 1)
        raise


def _only_leaf(error: Exception) -> Exception:
    """The one error inside nested groups, as nurseries make them; the group when there are several."""
    while isinstance(error, ExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error


def _fail(message: str, status: int) -> None:
    sys.stderr.write(f"greenroom: {message}\n")
    raise SystemExit(status)


def installed_kinds(settings: Settings) -> Kinds:
    """Greenroom's own entities, then those of GREENROOM_ENTITIES. Raises: BadEntityClass."""
    kinds = Kinds([Room, Session])
    sys.path.insert(0, str(Path.cwd()))  # an entity of one's own lies where one stands, most of the time
    for path in settings.entities:
        for actor in find_actors(path):
            kinds.install(actor)
    return kinds


def server_url(settings: Settings, *, port: int | None = None) -> str:
    """Where a server with these settings is reached from this machine."""
    host = "127.0.0.1" if settings.host in ("0.0.0.0", "::") else settings.host
    return f"http://{f'[{host}]' if ':' in host else host}:{port or settings.port}/"


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


@app.command()
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
            raise Trouble("GREENROOM_NODES: this version runs 1 node", status=2)
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
                _with_own(own.launch, data_folder)
            # Here, for the other commands need none of it, and our own servers start up in the meantime.
            from greenroom.supervisors.node.node import Node

            if own is not None and data_folder is not None:
                own_database_url, own_redis_url = _with_own(own.answering, data_folder)
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


def _with_own(act: Callable[[], R], data_folder: DataFolder) -> R:
    try:
        return act()
    except (OwnServerFailed, OSError) as error:  # a full disk, most of all
        raise Trouble(f"no database in the folder {data_folder.path} (GREENROOM_DATA_DIR): {error}") from error


async def _serve(node: "Node") -> None:
    drain = trio.Event()
    async with trio.open_nursery() as nursery:  # owner: the process
        await nursery.start(drain_on_signal, drain)
        async with trio.open_nursery() as running:
            await running.start(node.run, drain)
            _say(f"Greenroom is ready: {node.url}")
        nursery.cancel_scope.cancel()


def _say(line: str) -> None:
    """Print for whoever may be there to read it; a server serves without readers, too."""
    try:
        sys.stdout.write(line + "\n")
        sys.stdout.flush()
    except OSError:
        # Else the interpreter would try again at exit, and make that its exit status.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@app.command()
def token(
    subject: Annotated[str, typer.Argument(metavar="SUBJECT", help="The user id (`sub`).")],
    role: Annotated[list[str] | None, typer.Option(help="A role; may be given several times.")] = None,
    ttl: Annotated[float, typer.Option(help="Seconds until it expires.", min=1, max=31_536_000)] = 900.0,
) -> None:
    """Print a signed connection token, for trying things out."""
    with told_plainly():
        settings = load_settings()
        if settings.auth_secret is not None:
            config = TokenConfig(secret=settings.auth_secret.get_secret_value().encode())
        elif settings.auth_public_key is not None or settings.auth_jwks_file is not None:
            raise Trouble("tokens are signed elsewhere: only GREENROOM_AUTH_SECRET can sign here", status=2)
        elif settings.env == "local":
            config = TokenConfig(secret=DataFolder(Path(settings.data_dir)).secret("auth").encode())
        else:
            raise Trouble("GREENROOM_AUTH_SECRET is not set", status=2)
        sys.stdout.write(TokenSigner(config, time.time).connection_token(subject, roles=role or (), ttl_s=ttl) + "\n")


@app.command(name="migrate")
def migrate_schema(
    only_check: Annotated[bool, typer.Option("--check", help="Say whether it is up to date; 1 when not.")] = False,
) -> None:
    """Bring the schema up to date, or say whether it is."""
    with told_plainly():

        async def run(bridge: Bridge, url: str) -> bool:
            return await (check(bridge, url) if only_check else migrate(bridge, url))

        answer = with_database(run, need_schema=False)
        if only_check:
            typer.echo("up to date" if answer else "not up to date: run `greenroom migrate`")
            raise SystemExit(0 if answer else 1)
        typer.echo("migrated" if answer else "already up to date")


@app.command()
def new_generation() -> None:
    """Tell every client to start over: after a backup was restored, or a standby promoted beside another."""
    with told_plainly():
        label = f".{secrets.token_hex(4)}"

        async def run(bridge: Bridge, url: str) -> None:
            async with Pool(bridge, url, incarnation=0, size=1) as pool, pool.connection() as connection:
                await connection.fetch("UPDATE generation SET label = $1", label)

        with_database(run)
        typer.echo(f"epochs end with {label} from now on")


@app.command()
def status(
    url: Annotated[str | None, typer.Option(help="Where the server listens; as the settings say.")] = None,
) -> None:
    """Nodes, shards, awake actors, connections, as a table."""
    with told_plainly():
        try:
            url = url or server_url(load_settings())
            with urllib.request.urlopen(url.rstrip("/") + "/health", timeout=5) as answer:
                health: dict[str, Any] = json.load(answer)
        except (urllib.error.URLError, TimeoutError, ValueError) as error:
            raise Trouble(f"{url}: {error}") from error
        started = datetime.fromtimestamp(health.get("started_at_ms", 0) / 1000, UTC).isoformat(" ", "seconds")
        table = Table("node", str(health.get("node", "?")))  # a column a node: nine columns don't fit a terminal
        table.add_row("started", started)
        for name in ("status", "version", "shards", "awake", "connections", "subscriptions", "redis"):
            table.add_row(name, str(health.get(name, "?")))
        console.print(table)


@app.command()
def entities() -> None:
    """Every kind with its commands, events and limits, as read from the code."""
    with told_plainly():
        for kind in installed_kinds(load_settings()):
            table = Table(
                "what", "name", "fields", title=f"{kind.name} ({kind.actor.__module__})", title_justify="left"
            )
            for name, command in kind.commands.items():
                table.add_row("command", name, _fields(command.message))
            for event in kind.actor.events:
                table.add_row("event", tag_of(event), _fields(event))
            table.add_row("repeat", "idempotency_key", repeats_of(kind))
            limits = kind.limits
            for name in limits.__struct_fields__:
                table.add_row("limit", name, f"{getattr(limits, name):g}")
            console.print(table)


def _fields(struct: Any) -> str:
    return ", ".join(name for name in struct.__struct_fields__ if name != "idempotency_key")


def with_database(run: Callable[[Bridge, str], Awaitable[R]], *, need_schema: bool = True) -> R:
    """Run `run(bridge, url)` against the configured database: the given one, or our own in the data folder.

    Our own is reached while a server runs it, and started for the moment when none does.
    """
    settings = load_settings()
    configure_logs(settings.log)

    async def on_bridge(url: str) -> R:
        async with Bridge() as bridge:
            if need_schema and not await check(bridge, url):
                raise Trouble("the database has no schema of this version yet: run `greenroom migrate`")
            return await run(bridge, url)

    if settings.database_url is not None:
        return trio.run(on_bridge, settings.database_url.get_secret_value())
    data_folder = DataFolder(Path(settings.data_dir))
    own = OwnServers(data_folder.path)
    try:
        data_folder.open()
    except DataFolderBusy:
        url = own.running_database_url
        if url is None:
            raise Trouble(f"the server that uses {data_folder.path} is only starting or stopping; try again") from None
        return trio.run(on_bridge, url)
    try:
        url, _ = _with_own(own.start, data_folder)
        return trio.run(on_bridge, url)
    finally:
        own.stop()
        data_folder.close()


def main() -> None:
    """The console script."""
    for descriptor in range(3):  # one that was closed (`>&-`) would else be the next socket's number
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
    sys.stdout = sys.stdout or open(1, "w", closefd=False)  # noqa: SIM115
    sys.stderr = sys.stderr or open(2, "w", closefd=False)  # noqa: SIM115
    app()


# Commands with files of their own, which need what stands above.
import greenroom.supervisors.cli.dead_letters  # noqa: E402
import greenroom.supervisors.cli.schema  # noqa: E402, F401
