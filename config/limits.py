"""Limits: one frozen section for each part of a node; a constructor takes its own section, never the whole tree.

Each limit is stated once, here: type, bounds, default and meaning. `settings/` makes a setting of every one
(`GateConfig.backlog` is GREENROOM_GATE_BACKLOG) and the table in `docs/reference/settings.md` is printed from them.

msgspec enforces the bounds when it decodes or converts, not in the constructor: values from outside always come
through `settings/`, and a test may build a section with a value that no operator could set.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

from msgspec import Meta, Struct
from pydantic import SecretStr

KIB = 1024
MIB = 1024 * KIB


class MailboxConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Every mailbox of the node."""

    capacity: Annotated[int, Meta(ge=1, le=1_000_000, description="messages a mailbox holds; more is `overloaded`")] = (
        1024  # messages
    )
    bytes_max: Annotated[int, Meta(ge=KIB, description="bytes a mailbox holds; more is `overloaded`")] = 4 * MIB
    burst: Annotated[int, Meta(ge=1, description="messages an actor takes in one go before others get their turn")] = (
        256  # messages
    )


class SupervisionConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How often an actor may fail, and what follows."""

    strikes_max: Annotated[int, Meta(ge=1, description="crashes on one message before it becomes a dead letter")] = 3
    restarts_max: Annotated[
        int, Meta(ge=0, description="restarts within the window before the supervisor gives up")
    ] = 10
    window_s: Annotated[float, Meta(gt=0, description="window in which restarts are counted, seconds")] = 10.0
    backoff_first_s: Annotated[float, Meta(gt=0, description="wait before the first restart, seconds; doubles")] = 0.01
    backoff_max_s: Annotated[float, Meta(gt=0, description="longest wait before a restart, seconds")] = 5.0
    handler_stuck_s: Annotated[float, Meta(gt=0, description="a handler running this long is reported, seconds")] = 5.0


class PassivationConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When an awake actor is put to sleep."""

    idle_s: Annotated[float, Meta(gt=0, description="an actor idle this long sleeps, seconds")] = 60.0
    awake_max: Annotated[int, Meta(ge=1, description="actors awake at once; the longest idle sleep first")] = 200_000
    memory_bytes_max: Annotated[
        int, Meta(ge=0, description="resident bytes of the node above which idle actors sleep early; 0: no budget")
    ] = 0
    sweep_s: Annotated[float, Meta(gt=0, description="time between looks for idle actors, seconds")] = 1.0


class MemoryConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is kept in memory only to be quick."""

    held_bytes_max: Annotated[
        int, Meta(ge=0, description="bytes of remembered replies and topics' tails together; above it the oldest go")
    ] = 256 * MIB


class CommitConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Group commit."""

    lanes: Annotated[int, Meta(ge=1, le=64, description="commits in flight at once, a connection each")] = 2
    batch_events_max: Annotated[int, Meta(ge=1, le=100_000, description="events and other rows in one commit")] = 2000
    batch_bytes_max: Annotated[int, Meta(ge=KIB, description="bytes in one commit, of all columns")] = 4 * MIB
    pending_bytes_max: Annotated[
        int, Meta(ge=KIB, description="bytes waiting for their commit, of all columns, over all entities")
    ] = 64 * MIB
    append_timeout_s: Annotated[float, Meta(gt=0, description="longest a commit may take, seconds")] = 10.0


class StoreConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Connections to Postgres."""

    connections: Annotated[int, Meta(ge=1, le=1000, description="connections to Postgres for each node")] = 8
    connect_timeout_s: Annotated[float, Meta(gt=0, description="longest wait for a new connection, seconds")] = 5.0
    statement_timeout_s: Annotated[float, Meta(gt=0, description="longest a statement may take, seconds")] = 10.0


class GateConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The listener: whom it lets in, and how much it reads before it knows whom it serves."""

    connections_max: Annotated[int, Meta(ge=1, description="connections open at once for each node")] = 50_000
    connects_per_s: Annotated[float, Meta(gt=0, description="new connections a second, on average")] = 5000.0
    connects_burst: Annotated[int, Meta(ge=1, description="new connections at once before the average counts")] = 10_000
    head_bytes_max: Annotated[int, Meta(ge=KIB, le=MIB, description="bytes of an HTTP head")] = 48 * KIB
    head_timeout_s: Annotated[float, Meta(gt=0, description="longest a client may take for a head, seconds")] = 10.0
    body_bytes_max: Annotated[int, Meta(ge=KIB, description="bytes of an HTTP request's body")] = MIB
    idle_http_s: Annotated[float, Meta(gt=0, description="an HTTP connection idle this long is closed, seconds")] = 75.0
    backlog: Annotated[int, Meta(ge=1, le=65_535, description="connections the kernel queues before accept")] = 4096


class ClientConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One connection of the client protocol."""

    ping_s: Annotated[float, Meta(ge=1, description="time between pings to a client, seconds")] = 25.0
    pong_timeout_s: Annotated[float, Meta(gt=0, description="longest wait for a pong, seconds; below the ping's")] = 8.0
    stale_s: Annotated[float, Meta(gt=0, description="longest a client may take to connect, seconds")] = 10.0
    subscriptions_max: Annotated[int, Meta(ge=1, description="subscriptions of one connection")] = 128
    channel_bytes_max: Annotated[int, Meta(ge=1, le=255, description="bytes of a channel name")] = 255
    command_bytes_max: Annotated[
        int, Meta(ge=KIB, description="bytes of one command over WebSocket, however many come in one message")
    ] = 64 * KIB
    commands_in_flight_max: Annotated[int, Meta(ge=1, description="commands of one connection in work at once")] = 256
    queue_bytes_max: Annotated[
        int, Meta(ge=KIB, description="bytes queued for one client before it is disconnected as slow")
    ] = MIB
    queue_age_s: Annotated[
        float, Meta(gt=0, description="longest a client may take nothing of what waits for it, seconds")
    ] = 10.0
    expired_close_delay_s: Annotated[
        float, Meta(ge=0, description="time to refresh a token after it expired, seconds")
    ] = 25.0
    # The reference server stops at 300; a recovery comes as one reply, so queue_bytes_max bounds it as well.
    recovery_max: Annotated[
        int, Meta(ge=1, description="missed publications that a resume replays; more starts over")
    ] = 1000
    history_max: Annotated[int, Meta(ge=1, description="publications in one answer to `history`")] = 300
    command_deadline_s: Annotated[float, Meta(gt=0, description="longest a client's command may take, seconds")] = 5.0


class HubConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Fan-out: what is remembered of each topic."""

    tail_events: Annotated[int, Meta(ge=0, description="last publications of a topic kept in memory for resumes")] = 512
    tail_bytes: Annotated[int, Meta(ge=0, description="bytes of a topic's last publications kept in memory")] = (
        256 * KIB
    )
    linger_s: Annotated[float, Meta(ge=0, description="a topic without watchers is kept this long, seconds")] = 60.0
    leave_s: Annotated[
        float,
        Meta(
            ge=0,
            le=60,
            description="a user's leave is shown so much later, seconds, and not at all, nor the join, if the user has "
            "come back; 0: at once",
        ),
    ] = 2.5
    ephemeral_ring: Annotated[
        int, Meta(ge=1, description="ephemeral publications waiting for one client; the newest win")
    ] = 64
    views_per_s: Annotated[
        float, Meta(gt=0, le=10, description="views a second, at most, of an entity whose view is watched")
    ] = 5.0


class BusConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The link to each other node, over Redis."""

    queue_bytes_max: Annotated[
        int, Meta(ge=KIB, description="bytes for one other node, waiting or unacknowledged; more is `overloaded`")
    ] = 16 * MIB
    queue_frames_max: Annotated[
        int, Meta(ge=1, description="frames for one other node, waiting or unacknowledged; more is `overloaded`")
    ] = 65_536
    entry_bytes_max: Annotated[
        int, Meta(ge=KIB, le=16 * MIB, description="bytes of frames in one entry of a stream, or one longer frame")
    ] = 256 * KIB
    window_bytes: Annotated[int, Meta(ge=KIB, description="bytes that one other node has yet to acknowledge")] = 2 * MIB
    window_entries: Annotated[
        int, Meta(ge=1, le=4096, description="entries that one other node has yet to acknowledge")
    ] = 256
    silent_s: Annotated[
        float, Meta(gt=0, description="a node that acknowledges nothing for so long counts as out of reach, seconds")
    ] = 5.0
    absent_s: Annotated[
        float, Meta(gt=0, description="Redis away for so long: other nodes count as out of reach, seconds")
    ] = 3.0


class HttpConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Commands over HTTP."""

    in_flight_max: Annotated[int, Meta(ge=1, description="HTTP commands in work at once for each node")] = 4096
    deadline_s: Annotated[float, Meta(gt=0, description="deadline of a command that names none, seconds")] = 5.0
    deadline_max_s: Annotated[float, Meta(gt=0, description="longest deadline a command may name, seconds")] = 60.0


class DrainConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Stopping. Its settings are GREENROOM_DRAIN_S and GREENROOM_DRAIN_CONNECTS_PER_S."""

    deadline_s: Annotated[float, Meta(gt=0, description="longest a stopping node may drain, seconds")] = 10.0
    connects_per_s: Annotated[
        int,
        Meta(
            ge=1,
            le=100_000,
            description="clients that a stopping node lets go each second for each other node, which they come to; "
            "more, where there would not be the time",
        ),
    ] = 50


class LogConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is logged, and in which form."""

    level: Annotated[
        Literal["debug", "info", "warning", "error", "critical"], Meta(description="least level that is logged")
    ] = "info"
    format: Annotated[
        Literal["auto", "pretty", "json"], Meta(description="auto: pretty on a terminal, JSON lines otherwise")
    ] = "auto"


class TraceConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How many calls are traced, and where their spans go."""

    sample: Annotated[float, Meta(ge=0, le=1, description="share of new traces that is recorded")] = 0.0
    exporter: Annotated[
        Literal["none", "console", "otlp"],
        Meta(description="where spans go; otlp needs opentelemetry-exporter-otlp-proto-http"),
    ] = "none"


class MediaConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Uploads, and what is made of them."""

    bytes_max: Annotated[int, Meta(ge=KIB, le=1024 * MIB, description="bytes of one upload")] = 10 * MIB
    made_bytes_max: Annotated[
        int,
        Meta(ge=KIB, description="bytes of all that is made of one upload, beside it; room for them is kept meanwhile"),
    ] = 64 * MIB
    user_bytes_max: Annotated[
        int, Meta(ge=KIB, description="bytes of all that one user has uploaded, with what was or may yet be made of it")
    ] = 1024 * MIB
    user_uploads_max: Annotated[int, Meta(ge=1, le=1000, description="unfinished uploads of one user")] = 4
    unfinished_s: Annotated[
        float, Meta(ge=60, description="an upload that has grown no more for so long is deleted, seconds")
    ] = 86_400.0
    request_s: Annotated[
        float, Meta(gt=0, le=3600, description="longest that one request below /media may take, seconds")
    ] = 300.0
    pixels_max: Annotated[
        int, Meta(ge=1, le=1_000_000_000, description="pixels of a picture, or of a frame of a video")
    ] = 50_000_000
    video_s_max: Annotated[float, Meta(gt=0, le=86_400, description="longest that a video may play, seconds")] = 600.0
    work_bytes_max: Annotated[
        int, Meta(ge=256 * MIB, description="bytes of memory that a program which reads an upload may take")
    ] = 1024 * MIB
    work_s: Annotated[
        float, Meta(gt=0, le=840, description="longest that such programs may run for one upload, all of them, seconds")
    ] = 300.0


class KafkaConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The brokers that Kafka sinks deliver to."""

    servers: tuple[str, ...] = ()  # host:port
    topics: Mapping[str, str] = {}  # by the sink's name, where that is not the topic's
    security: Literal["ssl", "plaintext", "sasl_ssl", "sasl_plaintext"] = "ssl"
    sasl_mechanism: Literal["SCRAM-SHA-512", "SCRAM-SHA-256", "PLAIN"] = "SCRAM-SHA-512"
    sasl_user: str = ""
    sasl_password: SecretStr | None = None
    ca_file: Path | None = None  # None: the system's certificates
    message_bytes_max: int = 1_000_000  # of one event, with its key
    timeout_s: float = 15.0  # until all of a batch is acknowledged, seconds


class SinkConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where the sinks that come with Greenroom deliver to."""

    webhook_urls: Mapping[str, str] = {}  # by the sink's name
    webhook_secret: SecretStr | None = None  # `whsec_…`, or two of them with a space between
    webhook_private_addresses: bool = False  # may these be in private networks, and without TLS?
    webhook_timeout_s: float = 15.0  # for one request, seconds
    kafka: KafkaConfig = KafkaConfig()
    exposures: Path | None = None  # folder of the sink of exposures


class NoticesConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How notices leave an inbox."""

    smtp_server: str = ""  # host:port; "": there is none
    smtp_security: Literal["starttls", "tls", "plain"] = "starttls"
    smtp_user: str = ""
    smtp_password: SecretStr | None = None
    smtp_from: str = ""
    smtp_ca_file: Path | None = None  # None: the system's certificates
    smtp_timeout_s: float = 30.0  # for each answer of the server, seconds
    vapid_private_key: SecretStr | None = None  # 32 bytes in base64url
    vapid_subject: str = ""
    notices_url: str = ""  # where mails lead to
    unsubscribe_url: str = ""  # of this server's /unsubscribe; "": no mail has such a link
    secret: SecretStr | None = None  # what these links are signed with
