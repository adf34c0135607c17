"""Errors told plainly: one line for the person at the terminal, and an exit status, instead of a traceback.

Exit status: 0 on success, 2 for bad usage or settings (naming the setting), 1 otherwise.
"""

import contextlib
import sys
import traceback
from collections.abc import Iterator

from greenroom.actors.model import kinds
from greenroom.actors.model.kinds import BadEntityClass
from greenroom.config.settings import SettingsError
from greenroom.store.errors import StoreUnavailable, ViewRefused
from greenroom.store.own.data_folder import DataFolderError
from greenroom.store.own.errors import OwnServerFailed
from greenroom.store.ownership.referee import ShardsDiffer
from greenroom.supervisors.cluster.lease import DeclaredDead
from greenroom.transports.sockets.gate import PortTaken

BAD_USAGE = 2


class Trouble(Exception):
    """An error for the person at the terminal; `status` is the exit status."""

    def __init__(self, message: str, *, status: int = 1) -> None:
        super().__init__(message)
        self.status = status


@contextlib.contextmanager
def told_plainly() -> Iterator[None]:
    """Turn the errors that an operator can act on into one line and an exit status.

    Raises: SystemExit for those; all others as they come, for they are mistakes of ours and want their traceback.
    """
    try:
        yield
    except Exception as error:
        # Here, for who may raise these takes long to import, and a server starts while its databases do.
        from greenroom.config.telemetry.exporters import ExporterMissing
        from greenroom.transports.auth.tokens import TokenInvalid

        match _only_leaf(error):
            case BadEntityClass() as cause:
                _show_code_of_theirs(cause)
                _fail(str(cause), BAD_USAGE)
            case (SettingsError() | ExporterMissing()) as cause:
                _fail(str(cause), BAD_USAGE)
            case Trouble() as cause:
                _fail(str(cause), cause.status)
            case (DeclaredDead() | ViewRefused()) as cause:
                _fail(str(cause), 1)
            case ShardsDiffer() as cause:
                _fail(f"GREENROOM_SHARDS: {cause}", BAD_USAGE)
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


def _show_code_of_theirs(error: BadEntityClass) -> None:
    """The traceback of what an entity's module raised as it was imported, in their files alone.

    Nothing where no code of theirs had its turn: the module is not there.
    """
    cause = error.__cause__
    if cause is None:
        return
    frames = [
        frame
        for frame in traceback.extract_tb(cause.__traceback__)
        if frame.filename != kinds.__file__ and "importlib" not in frame.filename
    ]
    if frames or isinstance(cause, SyntaxError):
        heading = ["Traceback (most recent call last):\n"] if frames else []
        lines = [*heading, *traceback.format_list(frames), *traceback.format_exception_only(cause)]
        sys.stderr.write("".join(lines))


def _fail(message: str, status: int) -> None:
    sys.stderr.write(f"greenroom: {message}\n")
    raise SystemExit(status)
