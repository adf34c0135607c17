"""`greenroom token SUBJECT`: a signed connection token, for trying things out."""

import sys
import time
from pathlib import Path
from typing import Annotated

import typer

from greenroom.config.settings import load_settings
from greenroom.store.own.data_folder import DataFolder
from greenroom.supervisors.cli.chosen.tokens import token_config
from greenroom.supervisors.cli.terminal.plainly import BAD_USAGE, Trouble, told_plainly
from greenroom.transports.auth.signer import TokenSigner


def print_token(
    subject: Annotated[str, typer.Argument(metavar="SUBJECT", help="The user id (`sub`).")],
    role: Annotated[list[str] | None, typer.Option(help="A role; may be given several times.")] = None,
    ttl: Annotated[float, typer.Option(help="Seconds until it expires.", min=1, max=31_536_000)] = 900.0,
) -> None:
    """Print a signed connection token, for trying things out.

    Signed with GREENROOM_AUTH_SECRET; with GREENROOM_ENV=local and none set, with the one kept in the data folder.
    """
    with told_plainly():
        if not subject:
            raise Trouble("SUBJECT is empty: a token names its user, as in `greenroom token ann`", status=BAD_USAGE)
        settings = load_settings()
        config = token_config(settings, DataFolder(Path(settings.data_dir)))
        if config is None:
            raise Trouble("GREENROOM_AUTH_SECRET is not set", status=BAD_USAGE)
        if config.secret is None:
            raise Trouble("tokens are signed elsewhere: only GREENROOM_AUTH_SECRET can sign here", status=BAD_USAGE)
        sys.stdout.write(TokenSigner(config, time.time).connection_token(subject, roles=role or (), ttl_s=ttl) + "\n")
