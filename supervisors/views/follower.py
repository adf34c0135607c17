"""A follower: whatever goes on with the events of entities for one version, whether it folds them or delivers them."""

from collections.abc import Collection
from typing import Protocol

import trio

from greenroom.store.views.store import Version
from greenroom.supervisors.views.backlog import Backlog


class Followed(Protocol):
    """A view or a sink, as this release's code has it."""

    @property
    def kinds(self) -> Collection[str]: ...


class Follower(Protocol):
    """See Runner, and supervisors/sinks/deliverer.py."""

    version: Version
    is_mixed: bool
    backlog: Backlog

    @property
    def installed(self) -> Followed: ...

    def see(self, version: Version) -> None: ...

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None: ...
