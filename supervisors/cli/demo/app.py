"""`greenroom demo social`: fill a running server with a world to look at."""

import time
from typing import Annotated

import typer

from greenroom.config.settings import Settings, load_settings
from greenroom.store.own.data_folder import DataFolder
from greenroom.supervisors.cli.chosen.address import checked_url, is_foreign, server_url
from greenroom.supervisors.cli.chosen.tokens import token_config
from greenroom.supervisors.cli.demo.filling import Filling, Token
from greenroom.supervisors.cli.demo.world import PHASES, VERSION, Demo
from greenroom.supervisors.cli.jobs.bar import bar
from greenroom.supervisors.cli.terminal.plainly import BAD_USAGE, Trouble, told_plainly
from greenroom.transports.auth.signer import TokenSigner

TOKEN_S = 3_600.0  # of one user; another follows
USERS_MAX = 100_000

demo_app = typer.Typer(help="Fill a running server with something to look at.", no_args_is_help=True)


@demo_app.callback()
def demo() -> None:
    """Fill a running server with something to look at."""


@demo_app.command("social")
def social(
    users: Annotated[int, typer.Option(min=1, max=USERS_MAX, help="How many people there are.")] = 1_000,
    seed: Annotated[int, typer.Option(help="Another one makes another world; the same one the same.")] = 1,
    at_once: Annotated[int, typer.Option("--at-once", min=1, max=64, help="Commands on their way.")] = 16,
    server: Annotated[
        str | None,
        typer.Option(
            "--server", "--url", metavar="URL", help="Where it listens, on this machine; as the settings say."
        ),
    ] = None,
) -> None:
    """Fill a server with people who follow one another, post, like and comment.

    The server runs with GREENROOM_ENTITIES=greenroom.social and has these settings: each person's commands bear a token
    that is signed here. Names are in a dozen scripts, a few people are followed by many, and some posts are stories.

    What is ended on the way goes on where it was, and what is run again within a day changes nothing: give the same
    --users and --seed.

    greenroom demo social --users 1000
    """
    with told_plainly():
        settings = load_settings()
        token = _tokens(settings, server)
        url = checked_url(server) if server is not None else server_url(settings)
        began = time.monotonic()
        world = Demo(users, seed)
        filling = Filling(url, token, key=f"demo {VERSION} {users} {seed}", at_once=at_once)
        for phase in PHASES:
            acts = world.acts(phase)
            with bar(phase, len(acts)) as told:
                filling.phase(acts, told)
        _say(filling, world, time.monotonic() - began)


def _tokens(settings: Settings, server: str | None) -> Token:
    """Raises: Trouble."""
    if is_foreign(server):
        raise Trouble(
            "--server: must be on this machine: tokens that are signed here go nowhere else", status=BAD_USAGE
        )
    folder = DataFolder(settings.data_dir) if settings.data_dir.is_dir() else None
    config = token_config(settings, folder)
    if config is None or config.secret is None:
        raise Trouble(
            "GREENROOM_AUTH_SECRET: must be set as it is at the server, to sign tokens with", status=BAD_USAGE
        )
    signer = TokenSigner(config, time.time)
    kept: dict[str, tuple[float, str]] = {}

    def token(user: str) -> str:
        """The role `service` is free of what a user may do an hour."""
        now = time.monotonic()
        until, signed = kept.get(user, (0.0, ""))
        if until <= now:
            signed = signer.connection_token(user, roles=["service"], ttl_s=TOKEN_S)
            kept[user] = now + TOKEN_S / 2, signed
        return signed

    return token


def _say(filling: Filling, world: Demo, seconds: float) -> None:
    done, refused = filling.filled.done, filling.filled.refused
    counts = {
        "people": done["profile.set"],
        "follows": done["follows.follow"],
        "posts": done["feed.post"],
        "reactions": done["post.react"],
        "comments": done["thread.comment"],
    }
    typer.echo(", ".join(f"{count:,} {what}" for what, count in counts.items()) + f" in {seconds:.0f} s")
    for rule, count in refused.most_common():
        typer.echo(f"refused: {count:,} by {rule}", err=True)
    followed = world.most_followed()
    if followed:
        typer.echo("followed by most: " + ", ".join(f"{user} ({count:,})" for user, count in followed))
