"""What the pages need from the node, apart from the app that shows it: the node is there long before the app is."""

from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from greenroom.actors.inbox.messages import Prefer
from greenroom.actors.model.kinds import Kinds
from greenroom.actors.views.installed import Views
from greenroom.transports.admin.desk import Desk
from greenroom.transports.admin.roles import Operators
from greenroom.transports.auth.details import Guard, anybody
from greenroom.transports.notices.unsubscribe import Unsubscribing

if TYPE_CHECKING:
    from hypercorn.typing import ASGIFramework


class Bounds(Struct, frozen=True, kw_only=True):
    """What the settings of the server allow in a request."""

    deadline_max_s: float
    history_max: int
    upload_bytes_max: int | None = None  # None: nothing can be uploaded


class PagesContext(Struct, frozen=True, kw_only=True):
    """What the pages need from the node."""

    env: str  # local, staging or production; in local the chat page lets people name themselves
    version: str
    kinds: Kinds
    bounds: Bounds
    health: Callable[[], Mapping[str, object]]  # the process is alive; must not wait
    ready: Callable[[], Awaitable[tuple[bool, Mapping[str, object]]]]  # able to serve, and what says so
    scrape: Callable[[], Awaitable[bytes]]  # Prometheus text, version 0.0.4
    views: Views | None = None  # None: none is installed
    prefix: str = ""  # of every address, as clients see it: `/chat`
    details: Guard = anybody  # may whoever brings this Authorization header read documents and figures?
    desk: Desk | None = None  # what operators ask; None: there is no /admin
    operators: Operators | None = None  # who these are; with `desk`
    media: "ASGIFramework | None" = None  # what answers `/media`; None: there is none
    unsubscribing: "tuple[Unsubscribing, Callable[[str, Prefer], Awaitable[Any]]] | None" = (
        None  # None: no mail has links
    )
    static: Path | None = None  # the folder of the operator's own pages, which take `/` and what no other path takes
