"""What must hold between settings that are each valid by themselves."""

import ipaddress
from collections.abc import Iterator
from typing import Final

from pydantic import SecretStr

from greenroom.config.bounds import EVENT_CHANNELS_MAX, connect_bytes, event_head_bytes
from greenroom.config.redis_url import redis_url_problem
from greenroom.config.settings.fields import NodeSettings
from greenroom.config.settings.forms import OWN_PATHS
from greenroom.config.settings.texts import variable

SECRET_BYTES_MIN: Final = 32  # of HS256, RFC 7518 section 3.2: as many as its hash has

# The first may not be above the second: each alone is within its bounds, together they would make no sense.
_ORDERED: Final = (
    ("supervision_backoff_first_s", "supervision_backoff_max_s"),
    ("http_deadline_s", "http_deadline_max_s"),
    ("client_pong_timeout_s", "client_ping_s"),
)

Problem = tuple[str, str]  # the field, and what is wrong with it


def broken_rules(settings: NodeSettings) -> Iterator[Problem]:
    """(field, problem) for every rule between settings that does not hold."""
    yield from _keys(settings)
    yield from _reach(settings)
    if settings.env == "production":
        for name in ("database_url", "redis_url"):
            if getattr(settings, name) is None:
                yield name, "must be set with GREENROOM_ENV=production; our own servers are for trying things out"
    if settings.redis_url is not None and (problem := redis_url_problem(settings.redis_url.get_secret_value())):
        yield "redis_url", problem
    if settings.static is not None:
        if shadowed := sorted(OWN_PATHS & {path.name for path in settings.static.iterdir()}):
            yield "static", f"holds {shadowed[0]}, and /{shadowed[0]} is an address of Greenroom's own: rename it"
        if settings.data_dir.resolve().is_relative_to(settings.static.resolve()):
            yield "static", "must not be around GREENROOM_DATA_DIR, where the secret and the database are"
    yield from _media(settings)
    yield from _whole_clients(settings)
    yield from _kafka(settings)
    yield from _notices(settings)
    for lower, upper in _ORDERED:
        if getattr(settings, lower) > (most := getattr(settings, upper)):
            yield lower, f"must be at most {variable(upper)}, which is {most:g}"


def _whole_clients(settings: NodeSettings) -> Iterator[Problem]:
    """What a client may say at once, keeping every other bound, has to pass these."""
    subscriptions, channel_bytes = settings.client.subscriptions_max, settings.client.channel_bytes_max
    needed = connect_bytes(subscriptions_max=subscriptions, channel_bytes_max=channel_bytes)
    if settings.client.command_bytes_max < needed:
        yield (
            "client_command_bytes_max",
            f"must be at least {needed}: so long may a connect be with {variable('client_subscriptions_max')}, which "
            f"is {subscriptions}",
        )
    needed = event_head_bytes(channel_bytes_max=channel_bytes)
    if settings.gate.head_bytes_max < needed:
        yield (
            "gate_head_bytes_max",
            f"must be at least {needed}: so long may the head of an event stream be, with {EVENT_CHANNELS_MAX} "
            f"channels of {variable('client_channel_bytes_max')}, which is {channel_bytes}, and a token",
        )


def _media(settings: NodeSettings) -> Iterator[Problem]:
    """Where uploads are served from, and what their links are signed with."""
    if settings.media is None:
        return
    if settings.static is not None and (settings.static / "media").exists():
        yield "static", "holds media, and /media is an address of Greenroom's own with GREENROOM_MEDIA: rename it"
    least = settings.media_limits.bytes_max + settings.media_limits.made_bytes_max
    if settings.media_limits.user_bytes_max < least:
        yield "media_user_bytes_max", f"must be at least {least}: an upload, and what may be made of it"
    if settings.env != "local" and settings.media_secret is None and not _text(settings.auth_secret):
        yield "media_secret", "must be set with GREENROOM_MEDIA where there is no GREENROOM_AUTH_SECRET to make one of"


def _kafka(settings: NodeSettings) -> Iterator[Problem]:
    """What is shown to brokers, and how."""
    security = settings.kafka_security
    shown = {"kafka_sasl_user": settings.kafka_sasl_user, "kafka_sasl_password": _text(settings.kafka_sasl_password)}
    for name, value in shown.items():
        if security.startswith("sasl_") and not value:
            yield name, f"must be set with GREENROOM_KAFKA_SECURITY={security}"
        elif not security.startswith("sasl_") and value:
            yield name, f"is shown to nobody with GREENROOM_KAFKA_SECURITY={security}; it may be meant to be sasl_ssl"
    if security == "sasl_plaintext" and settings.kafka_sasl_mechanism == "PLAIN":
        yield "kafka_sasl_mechanism", "PLAIN without TLS shows the password to whoever listens: take SCRAM, or sasl_ssl"


def _notices(settings: NodeSettings) -> Iterator[Problem]:
    """How notices leave."""
    if settings.smtp_server is not None:
        if settings.smtp_from is None:
            yield "smtp_from", "must be set with GREENROOM_SMTP_SERVER"
        host = settings.smtp_server.rpartition(":")[0].strip("[]")
        if settings.smtp_security == "plain" and not is_loopback(host):
            yield "smtp_security", "plain shows what is told, and the password, to whoever listens on the way"
    if bool(settings.smtp_user) != bool(_text(settings.smtp_password)):
        yield "smtp_password", "must be set with GREENROOM_SMTP_USER, and only with it"
    has_secret = settings.unsubscribe_secret is not None or bool(_text(settings.auth_secret))
    if settings.unsubscribe_url is not None and not has_secret:
        yield "unsubscribe_secret", "must be set with GREENROOM_UNSUBSCRIBE_URL, where GREENROOM_AUTH_SECRET is not"
    if settings.vapid_private_key is not None and settings.vapid_subject is None:
        yield "vapid_subject", "must be set with GREENROOM_VAPID_PRIVATE_KEY: services of push want to know"


def is_loopback(host: str) -> bool:
    """Is it an address or a name that only this machine reaches?"""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _keys(settings: NodeSettings) -> Iterator[Problem]:
    """What tokens are checked with."""
    has_key = settings.auth_public_key is not None or settings.auth_jwks_file is not None
    strict = settings.env != "local"
    if settings.auth_algorithm in ("EdDSA", "RS256"):
        if not has_key:
            yield (
                "auth_public_key",
                f"it or GREENROOM_AUTH_JWKS_FILE must be set with GREENROOM_AUTH_ALGORITHM={settings.auth_algorithm}",
            )
    elif has_key and settings.auth_algorithm == "HS256":
        yield (
            "auth_algorithm",
            "HS256 takes a secret: leave it unset, or EdDSA or RS256, with GREENROOM_AUTH_PUBLIC_KEY or "
            "GREENROOM_AUTH_JWKS_FILE",
        )
    elif strict and not has_key:
        if not _text(settings.auth_secret).strip():
            yield (
                "auth_secret",
                f"must be set with GREENROOM_ENV={settings.env} (or choose GREENROOM_AUTH_ALGORITHM EdDSA or RS256 and "
                "set GREENROOM_AUTH_PUBLIC_KEY or GREENROOM_AUTH_JWKS_FILE)",
            )
        elif len(_text(settings.auth_secret).encode()) < SECRET_BYTES_MIN:
            yield (
                "auth_secret",
                f"must have at least {SECRET_BYTES_MIN} bytes with GREENROOM_ENV={settings.env}, or it can be guessed "
                "from any token; `openssl rand -hex 32` makes one",
            )
    if settings.auth_public_key and settings.auth_jwks_file:
        yield "auth_jwks_file", "must be unset when GREENROOM_AUTH_PUBLIC_KEY is set: one place for keys"
    if strict and settings.auth_jwks_file:
        for name, what in (("token_issuer", "issuer"), ("token_audience", "audience")):
            if getattr(settings, name) is None:
                yield (
                    name,
                    f"must be set with GREENROOM_AUTH_JWKS_FILE and GREENROOM_ENV={settings.env}: without it a token "
                    f"of any {what} that these keys sign would count here, with its roles",
                )


def _reach(settings: NodeSettings) -> Iterator[Problem]:
    """Who may reach the node, and as whom."""
    if settings.env == "local" and not settings.local_on_network and not is_loopback(settings.host):
        yield (
            "host",
            f"{settings.host} is not loopback, and with GREENROOM_ENV=local whoever reaches it may say that they are "
            "anybody; if that is meant, set GREENROOM_LOCAL_ON_NETWORK=true",
        )
    if settings.env == "production" and "*" in settings.allowed_origins:
        yield "allowed_origins", "must name each origin with GREENROOM_ENV=production; * would let any page in"


def _text(secret: SecretStr | None) -> str:
    return secret.get_secret_value() if secret is not None else ""
