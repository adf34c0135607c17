"""What tokens are checked with, by the settings."""

import time
from collections.abc import Sequence
from pathlib import Path

from msgspec.structs import replace

from greenroom.config.settings import Settings
from greenroom.store.own.data_folder import DataFolder
from greenroom.supervisors.cli.terminal.plainly import BAD_USAGE, Trouble
from greenroom.transports.auth.signer import TokenSigner
from greenroom.transports.auth.tokens import TokenConfig, TokenVerifier

TOKEN_S = 30.0  # how long a command's own token counts


def token_config(settings: Settings, data_folder: DataFolder | None) -> TokenConfig | None:
    """What tokens are checked against; None when nothing is configured and there is no folder to keep a secret in.

    Raises: DataFolderError when the secret of `local` can't be kept, OSError when the key set can't be read.
    """
    meant = TokenConfig(
        issuer=settings.token_issuer,
        audience=settings.token_audience,
        algorithm=settings.auth_algorithm,
        roles_claim=settings.token_roles_claim,
    )
    if settings.auth_public_key is not None:
        return replace(meant, public_key=settings.auth_public_key)
    if settings.auth_jwks_file is not None:
        return replace(meant, jwks=Path(settings.auth_jwks_file).read_bytes())
    if settings.auth_secret is not None:
        return replace(meant, secret=settings.auth_secret.get_secret_value().encode())
    if settings.env == "local" and data_folder is not None:
        return replace(meant, secret=data_folder.secret("auth").encode())
    return None


def own_token(settings: Settings, user: str, roles: Sequence[str], data_folder: DataFolder | None = None) -> str | None:
    """For a moment, and for the server with these very settings; None where they can't sign."""
    config = token_config(settings, data_folder)
    if config is None or config.secret is None:
        return None
    return TokenSigner(config, time.time).connection_token(user, roles=roles, ttl_s=TOKEN_S)


def token_verifier(settings: Settings, data_folder: DataFolder | None) -> TokenVerifier | None:
    """Raises: Trouble that names the setting when its keys are not usable, and as `token_config`."""
    config = token_config(settings, data_folder)
    if config is None:
        return None
    try:
        return TokenVerifier(config, time.time)
    except ValueError as error:
        name = "JWKS_FILE" if config.jwks is not None else "PUBLIC_KEY"
        raise Trouble(f"GREENROOM_AUTH_{name}: {error}", status=BAD_USAGE) from None
