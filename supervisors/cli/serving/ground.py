"""What a node stands on, or several of one host: port, data folder, and servers of our own where none were given."""

import contextlib
import socket
from pathlib import Path
from types import TracebackType
from typing import Self

from greenroom.config.settings import Settings
from greenroom.store.own.data_folder import DataFolder
from greenroom.store.own.servers import OwnServers
from greenroom.supervisors.cli.chosen.database import naming_the_folder
from greenroom.supervisors.cli.chosen.media_folder import require_media_folder
from greenroom.transports.sockets.gate import listen
from greenroom.transports.sockets.shared_port import SharedPort

SESSIONS_BESIDE = 7  # of a node with Postgres: two for claims, lease, rows of nodes, one to migrate, two for views
SESSIONS_OF_OTHERS = 10  # commands beside a server, and who looks into the database


class Ground:
    """`with Ground(settings) as ground:` has the port and launches our own servers; `answering` waits for those.

    Blocking; for the main thread, before trio runs. Raises: PortTaken, DataFolderError, Trouble when a server of our
    own does not start.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._stack = contextlib.ExitStack()
        self._database_url = settings.database_url.get_secret_value() if settings.database_url else None
        self._redis_url = settings.redis_url.get_secret_value() if settings.redis_url else None
        self.own: OwnServers | None = None
        self.data_folder: DataFolder | None = None
        self.listener: socket.socket | None = None  # None: several nodes share the port
        self.shared_port: SharedPort | None = None

    def __enter__(self) -> Self:
        settings = self._settings
        require_media_folder(settings)
        with contextlib.ExitStack() as stack:
            # The port first: whoever has it is probably another greenroom, and nothing was started in vain.
            if settings.nodes > 1:
                self.shared_port = stack.enter_context(SharedPort(settings.host, settings.port))
            else:
                listener = listen(settings.host, settings.port, backlog=settings.gate.backlog)
                self.listener = stack.enter_context(listener)
            own_needed = self._database_url is None or self._redis_url is None
            if own_needed or settings.env == "local":
                self.data_folder = stack.enter_context(DataFolder(Path(settings.data_dir)))
            if own_needed:
                assert self.data_folder is not None
                self.own = OwnServers(self.data_folder.path, sessions_max=sessions_needed(settings))
                stack.callback(self.own.stop)
                naming_the_folder(self.own.launch, self.data_folder)
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stack.close()

    def answering(self) -> tuple[str, str]:
        """The URLs of Postgres and Redis, once those of our own answer. Raises: Trouble."""
        database_url, redis_url = self._database_url, self._redis_url
        if self.own is not None and self.data_folder is not None:
            own_database_url, own_redis_url = naming_the_folder(self.own.answering, self.data_folder)
            database_url, redis_url = database_url or own_database_url, redis_url or own_redis_url
        assert database_url is not None and redis_url is not None
        return database_url, redis_url


def sessions_needed(settings: Settings) -> int:
    """With Postgres, by as many nodes as are to be."""
    of_one = settings.store.connections + settings.commit.lanes + SESSIONS_BESIDE
    return max(settings.nodes, 1) * of_one + SESSIONS_OF_OTHERS
