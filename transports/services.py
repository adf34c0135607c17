"""What the transports need of the node, made once and shared by all of them."""

import random
from collections.abc import Callable
from os import urandom

from greenroom.actors.jobs.listing.lists import JobLists
from greenroom.actors.model.envelope import Envelope
from greenroom.actors.model.kinds import Kinds
from greenroom.actors.model.notice import SESSION_KIND
from greenroom.actors.views.reader import ViewReader
from greenroom.config.limits import ClientConfig, HttpConfig
from greenroom.config.telemetry.instruments import Instruments
from greenroom.config.telemetry.tracing import Tracing
from greenroom.transports.auth.sign_outs import SessionChecks, SignedIn
from greenroom.transports.auth.tokens import TokenVerifier
from greenroom.transports.deadlines import Deadlines
from greenroom.transports.hub.audience import Audience, Elsewhere
from greenroom.transports.hub.hub import Hub
from greenroom.transports.hub.reading import Reading, StoredEvents
from greenroom.transports.hub.view_watching import ViewWatching
from greenroom.transports.hub.watching import Before, Watching
from greenroom.transports.reads import Reads


def new_client_id() -> str:
    """A UUID of version 4: shown to other users, so it must not be guessed from earlier ones."""
    digits = urandom(16).hex()  # as `secrets` does it
    variant = "89ab"[int(digits[16], 16) & 3]  # RFC 9562 section 5.4; written out, for `uuid` takes ten times as long
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-{variant}{digits[17:20]}-{digits[20:]}"


class Services:
    """Entities to speak to, the hub, and who waits for what; without sockets, so simulations run it as it is."""

    __slots__ = (
        "anonymous",
        "anonymous_watch",
        "chance",
        "client",
        "clock",
        "deadlines",
        "http",
        "hub",
        "instruments",
        "jobs",
        "kinds",
        "new_client_id",
        "reading",
        "reads",
        "session_kind",
        "sessions",
        "submit",
        "tokens",
        "tracing",
        "version",
        "views",
        "watching",
    )

    def __init__(
        self,
        *,
        kinds: Kinds,
        submit: Callable[[str, Envelope], None],
        journal: StoredEvents,
        hub: Hub,
        signed_in: SignedIn,
        tokens: TokenVerifier | None,
        anonymous: bool,
        client: ClientConfig,
        http: HttpConfig,
        clock: Callable[[], float],
        instruments: Instruments,
        tracing: Tracing,
        version: str,
        new_client_id: Callable[[], str] = new_client_id,
        chance: Callable[[], float] = random.random,
        anonymous_watch: bool = False,
        before_watching: Before | None = None,
        audience_elsewhere: Elsewhere | None = None,
        views: ViewReader | None = None,
        jobs: JobLists | None = None,
    ) -> None:
        """`anonymous`: clients without a token may come, name themselves and act; `anonymous_watch`: they may come and
        look, as nobody. `clock` gives Unix seconds, `chance` 0 <= x < 1; this and `new_client_id` are arguments where a
        seed decides everything. `before_watching` and `audience_elsewhere` are for entities on other nodes: see
        Watching and Audience. `views`: None where no view is installed; `jobs`: where none are kept.
        """
        self.kinds = kinds
        self.submit = submit
        self.hub = hub
        self.tokens = tokens
        self.anonymous = anonymous
        self.anonymous_watch = anonymous_watch
        self.client = client
        self.http = http
        self.clock = clock
        self.instruments = instruments
        self.tracing = tracing
        self.version = version
        self.views = views
        self.jobs = jobs
        self.new_client_id = new_client_id
        self.chance = chance
        self.deadlines = Deadlines()
        self.reads = Reads()
        self.reading = Reading(kinds, submit, journal, self.deadlines, self.reads, client, hub.turn)
        view_watching = ViewWatching(self.reading, self.deadlines, instruments, hub.go_on, per_s=hub.views_per_s)
        self.watching = Watching(
            hub,
            self.reading,
            self.reads,
            Audience(kinds, submit, audience_elsewhere),
            view_watching,
            client,
            before=before_watching,
        )
        self.session_kind = SESSION_KIND if SESSION_KIND in kinds else None
        self.sessions = SessionChecks(signed_in, self.reading.inspect, self.session_kind)
