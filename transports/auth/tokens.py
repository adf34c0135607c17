"""Tokens: who a client says it is, signed by someone we trust. JWTs with the claims that Centrifuge's SDKs document.

Sans-I/O: keys and the clock are arguments; in goes a token, out comes what it says. One kind of key is set, and the
key decides the algorithm (a secret: HS256; an Ed25519 key: EdDSA; an RSA key: RS256), never the token's header, so a
public key can't be passed off as a secret. Where an algorithm is set as well, keys for another are not there. A token
is as good as a password: no error text here quotes one.
Source: https://centrifugal.dev/docs/server/authentication; RFC 8725 (JWT best current practices).
"""

import base64
import warnings
from collections.abc import Callable
from typing import Annotated, TypeVar

import msgspec
from jwt import PyJWS
from jwt.exceptions import PyJWTError
from jwt.warnings import InsecureKeyLengthWarning
from msgspec import UNSET, Meta, Raw, Struct, UnsetType
from msgspec.structs import replace

from greenroom.actors.model.principal import user_id_problem
from greenroom.config.bounds import TOKEN_BYTES_MAX, TOKEN_CHANNELS_MAX
from greenroom.transports.auth.keys import Algorithm, PublicKey, algorithm_of, key_from_pem, keys_from_jwks

REMEMBERED_MAX = 4096  # genuine tokens; when there are as many, it begins anew
REMEMBERED_BYTES_MAX = 1024  # of one that is remembered
WHOLE_SECOND_S = 0.999  # what an `iat` without fractions may be short of when the token was made, in ms as clocks count

# Said once, at start, by the settings (which refuse a short secret in production), not once per token.
warnings.filterwarnings("ignore", category=InsecureKeyLengthWarning)


class TokenConfig(Struct, frozen=True, kw_only=True):
    """What tokens are checked against. Exactly one of `secret`, `public_key` and `jwks` is set."""

    secret: bytes | None = None  # HS256
    public_key: str | None = None  # PEM: Ed25519 or RSA
    jwks: bytes | None = None  # JSON text of a key set (RFC 7517): Ed25519 and RSA keys, told apart by `kid`
    issuer: str | None = None  # `iss` must equal it, when it is set
    audience: str | None = None  # `aud` must equal or contain it, when it is set
    algorithm: Algorithm | None = None  # the only one that counts; None: whichever the key is for
    roles_claim: str = "roles"  # a claim's name; where none is called so, names inside objects with dots between


class TokenError(Exception):
    """Base. The text says what is wrong for our logs and never holds any part of the token."""


class TokenExpired(TokenError):
    """Genuine, but too late, or not valid yet: the client should fetch another (error 109)."""


class TokenInvalid(TokenError):
    """Malformed, forged, for someone else, or with claims of wrong types: trying again won't help (3500 or 103)."""


class Flag(Struct, frozen=True):
    """One switch of an override: `{"value": true}`."""

    value: bool = False


class Override(Struct, frozen=True):
    """Which channel options a token turns on or off; None leaves the kind's own setting."""

    presence: Flag | None = None
    join_leave: Flag | None = None
    force_push_join_leave: Flag | None = None
    force_recovery: Flag | None = None
    force_positioning: Flag | None = None


class ChannelOptions(Struct, frozen=True):
    """How a server-side subscription named in a connection token is made."""

    info: bytes | None = None  # JSON, becomes `chan_info`
    data: bytes | None = None  # JSON, becomes the subscription's `data`
    override: Override = Override()


class ConnectionToken(Struct, frozen=True, kw_only=True):
    """What a connection token says, checked. JSON values are compact: no newline byte, safe to embed in a frame."""

    user: str  # "" is anonymous
    expires_at: int | None  # Unix s, when the connection ends; always after now; None is never
    issued_at: float  # Unix s, the last moment at which it may have been made; 0.0 when the token doesn't say
    roles: frozenset[str]
    info: bytes | None  # JSON, becomes `conn_info`
    subs: dict[str, ChannelOptions]  # server-side subscriptions, in the token's order
    meta: bytes | None  # a JSON object, kept with the connection, never sent to clients


class SubscriptionToken(Struct, frozen=True, kw_only=True):
    """What a subscription token says, checked. The caller compares `user`, `channel` and `client` with its own."""

    user: str
    channel: str
    client: str  # "" when the token isn't bound to one connection
    expires_at: int | None  # Unix s, when the subscription ends; always after now; None is never
    issued_at: float  # Unix s; 0.0 when the token doesn't say
    info: bytes | None  # JSON, becomes `chan_info`
    data: bytes | None  # JSON, becomes `data` of the subscribe result
    override: Override


# What the wire may hold. Times are bounded so that no arithmetic on them overflows: 1e11 s is the year 5138.
_UnixSeconds = Annotated[int, Meta(ge=0, le=100_000_000_000)] | Annotated[float, Meta(ge=0, le=1e11)]
_NO_CONTROLS = r"^[^\u0000-\u001f\u007f]*\Z"  # `$` would let a newline stand at the end
_Channel = Annotated[str, Meta(min_length=1, max_length=255, pattern=_NO_CONTROLS)]
_Role = Annotated[str, Meta(min_length=1, max_length=64, pattern=_NO_CONTROLS)]
_Roles = Annotated[list[_Role], Meta(max_length=64)]


class _Header(Struct):
    alg: str
    kid: str | None = None


class _Claims(Struct):
    sub: str = ""
    exp: _UnixSeconds | None = None
    expire_at: _UnixSeconds | None = None
    nbf: _UnixSeconds | None = None
    iat: _UnixSeconds | None = None
    jti: str | None = None
    iss: str | None = None
    aud: str | list[str] | None = None
    info: Raw | UnsetType = UNSET
    b64info: str = ""


_Wire = TypeVar("_Wire", bound=_Claims)


class _WireOptions(Struct):
    info: Raw | UnsetType = UNSET
    b64info: str = ""
    data: Raw | UnsetType = UNSET
    b64data: str = ""
    override: Override | None = None


class _WireConnection(_Claims):
    channels: Annotated[list[_Channel], Meta(max_length=TOKEN_CHANNELS_MAX)] | None = None
    subs: Annotated[dict[_Channel, _WireOptions], Meta(max_length=TOKEN_CHANNELS_MAX)] | None = None
    meta: Raw | UnsetType = UNSET
    roles: Raw | UnsetType = UNSET
    channel: Raw | UnsetType = UNSET


class _WireSubscription(_Claims):
    channel: _Channel | UnsetType = UNSET
    client: str = ""
    data: Raw | UnsetType = UNSET
    b64data: str = ""
    override: Override | None = None


class TokenVerifier:
    """Tokens in, what they say out. `now` gives Unix seconds, compared whole, without leeway, as Centrifugo does."""

    def __init__(self, config: TokenConfig, now: Callable[[], float]) -> None:
        """Raises: ValueError, saying which key is missing, doubled or unusable; the text holds no key."""
        given = [name for name in ("secret", "public_key", "jwks") if getattr(config, name)]
        if len(given) != 1:
            raise ValueError(f"exactly one of secret, public_key and jwks must be set, not {given or 'none'}")
        if config.secret and config.algorithm not in (None, "HS256"):
            raise ValueError(f"a secret is for HS256, not for {config.algorithm}")
        self._config = config
        self._now = now
        self._secret = config.secret
        self._keys: dict[str | None, PublicKey] = {}
        if config.public_key:
            key = key_from_pem(config.public_key)
            if config.algorithm not in (None, algorithm_of(key)):
                raise ValueError(f"the public key is for {algorithm_of(key)}, not for {config.algorithm}")
            self._keys = {None: key}
        elif config.jwks:
            self._keys = keys_from_jwks(config.jwks, config.algorithm)
        self._jws = PyJWS(algorithms=["HS256"] if self._secret else ["EdDSA", "RS256"])
        self._connection = msgspec.json.Decoder(_WireConnection)
        self._subscription = msgspec.json.Decoder(_WireSubscription)
        self._header = msgspec.json.Decoder(_Header)
        self._genuine: dict[str, tuple[_WireConnection, ConnectionToken]] = {}  # what has been verified by these keys

    @property
    def secret(self) -> bytes | None:
        """What it was made with; None when that were public keys."""
        return self._secret

    @property
    def jwks(self) -> bytes | None:
        """The key set that it was made with; None when it was not made with one."""
        return self._config.jwks

    def replace_jwks(self, jwks: bytes) -> None:
        """Take a newer key set: tokens of keys that left it are refused from now on.

        Raises: ValueError when the set is unusable, or when this verifier wasn't made with one; the old set stays.
        """
        if not self._config.jwks:
            raise ValueError("this verifier has no key set to replace")
        self._keys = keys_from_jwks(jwks, self._config.algorithm)
        self._genuine.clear()

    def verify_connection(self, token: str) -> ConnectionToken:
        """Raises: TokenExpired, TokenInvalid.

        A signature that was genuine stays so, for as long as the keys are the same: of a token that comes again, as it
        does with each request of a client, only what depends on the time is checked anew.
        """
        known = self._genuine.get(token) if len(token) <= REMEMBERED_BYTES_MAX else None
        if known is None:
            return self._verify_new(token)
        claims, said = known
        expires_at = self._check(claims)
        return said if expires_at == said.expires_at else replace(said, expires_at=expires_at)

    def _verify_new(self, token: str) -> ConnectionToken:
        payload, claims = self._claims(token, self._connection)
        if claims.channel is not UNSET:
            raise TokenInvalid("a subscription token where a connection token belongs")
        expires_at = self._check(claims)
        if claims.subs:
            subs = {channel: _options(options) for channel, options in claims.subs.items()}
        else:
            subs = dict.fromkeys(claims.channels or (), ChannelOptions())
        roles_claim = self._config.roles_claim
        meta = _compact(claims.meta)
        if meta is not None and not meta.startswith(b"{"):
            raise TokenInvalid("meta is not an object")
        said = ConnectionToken(
            user=claims.sub,
            expires_at=expires_at,
            issued_at=_issued_at(claims.iat),
            roles=_roles(claims.roles if roles_claim == "roles" else _claim(payload, roles_claim), roles_claim),
            info=_payload(claims.info, claims.b64info, "info"),
            subs=subs,
            meta=meta,
        )
        if len(token) <= REMEMBERED_BYTES_MAX:
            if len(self._genuine) >= REMEMBERED_MAX:
                self._genuine.clear()
            claims.channels = claims.subs = None  # `said` has them
            self._genuine[token] = (claims, said)
        return said

    def verify_subscription(self, token: str) -> SubscriptionToken:
        """Raises: TokenExpired, TokenInvalid."""
        _, claims = self._claims(token, self._subscription)
        if claims.channel is UNSET:
            raise TokenInvalid("no channel claim: not a subscription token")
        expires_at = self._check(claims)
        return SubscriptionToken(
            user=claims.sub,
            channel=claims.channel,
            client=claims.client,
            expires_at=expires_at,
            issued_at=_issued_at(claims.iat),
            info=_payload(claims.info, claims.b64info, "info"),
            data=_payload(claims.data, claims.b64data, "data"),
            override=claims.override or Override(),
        )

    def _claims(self, token: str, decoder: "msgspec.json.Decoder[_Wire]") -> tuple[bytes, _Wire]:
        """The JSON and the claims of a token whose signature is genuine; times, issuer and audience are unchecked."""
        if len(token) > TOKEN_BYTES_MAX:  # before anything is parsed; a genuine token is ASCII, so characters are bytes
            raise TokenInvalid("too long")
        try:
            key, algorithm = self._key_for(token)
            payload = self._jws.decode(token, key, algorithms=[algorithm])
            payload.decode("utf-8")  # parts are embedded in JSON frames as they are
            return payload, decoder.decode(payload)
        except msgspec.ValidationError as error:
            raise TokenInvalid(f"claims: {error}") from None  # names the claim and its type, never its value
        # RecursionError: a header or claim of thousands of brackets. From None: a cause might quote the token.
        except (PyJWTError, msgspec.DecodeError, ValueError, RecursionError):
            raise TokenInvalid("malformed, or not signed by a key of ours") from None

    def _key_for(self, token: str) -> tuple[bytes | PublicKey, str]:
        """The key to check `token` with, and the one algorithm that this key is for, whatever the header says."""
        if self._secret:
            return self._secret, "HS256"
        head, _, _ = token.partition(".")
        header = self._header.decode(base64.urlsafe_b64decode(head.encode("ascii") + b"=" * (-len(head) % 4)))
        if not self._config.jwks:
            key = self._keys[None]  # the PEM: there is only one, `kid` is the issuer's own business
        elif header.kid is None and len(self._keys) == 1:
            (key,) = self._keys.values()
        elif header.kid in self._keys:
            key = self._keys[header.kid]
        else:
            raise TokenInvalid("signed by a key that is not in the key set")
        return key, algorithm_of(key)

    def _check(self, claims: _Claims) -> int | None:
        """When what this token opens must end, in Unix s; None is never."""
        config = self._config
        if claims.sub and (problem := user_id_problem(claims.sub)):
            raise TokenInvalid(f"sub {problem}")
        if config.issuer is not None and claims.iss != config.issuer:
            raise TokenInvalid("wrong issuer")
        if config.audience is not None:
            audience = [claims.aud] if isinstance(claims.aud, str) else claims.aud or []
            if config.audience not in audience:
                raise TokenInvalid("wrong audience")
        now = int(self._now())
        if claims.exp is not None and claims.exp <= now:
            raise TokenExpired("expired")
        if claims.nbf is not None and claims.nbf > now:
            raise TokenExpired("not valid yet")
        if claims.expire_at is None:
            return None if claims.exp is None else max(int(claims.exp), now + 1)
        if claims.expire_at == 0:  # the token is short-lived, the connection is not
            return None
        if claims.expire_at <= now:
            raise TokenExpired("its connection has expired")
        return max(int(claims.expire_at), now + 1)


def _issued_at(iat: float | None) -> float:
    """A whole second may be any moment of it, so a sign-out earlier in that second is not later than the token."""
    if iat is None:
        return 0.0
    return iat + WHOLE_SECOND_S if isinstance(iat, int) else iat


def _roles(value: Raw | UnsetType, claim: str) -> frozenset[str]:
    """A list of names; none for an absent claim."""
    try:
        roles = msgspec.json.decode(value, type=_Roles | None) if value is not UNSET else None
    except msgspec.ValidationError as error:
        raise TokenInvalid(f"claims: {claim}: {error}") from None
    return frozenset(roles or ())


def _claim(payload: bytes, name: str) -> Raw | UnsetType:
    """The claim of that name; where there is none, what is found along the names between its dots."""
    inside = msgspec.json.decode(payload, type=dict[str, Raw])
    if name not in inside:
        *way, name = name.split(".")
        try:
            for part in way:
                inside = msgspec.json.decode(inside[part], type=dict[str, Raw])
        except (KeyError, msgspec.ValidationError):
            return UNSET
    return inside.get(name, UNSET)


def _options(wire: _WireOptions) -> ChannelOptions:
    return ChannelOptions(
        info=_payload(wire.info, wire.b64info, "info"),
        data=_payload(wire.data, wire.b64data, "data"),
        override=wire.override or Override(),
    )


def _payload(plain: Raw | UnsetType, encoded: str, name: str) -> bytes | None:
    """`info` or `b64info` (and `data` likewise), as JSON; the base64 form wins, as at Centrifugo."""
    if not encoded:
        return _compact(plain)
    try:
        decoded = base64.b64decode(encoded, validate=True)
        decoded.decode("utf-8")
    except ValueError:
        # Binary would do for Protobuf clients, but the same bytes go into JSON frames of others.
        raise TokenInvalid(f"b64{name} is not base64 of text") from None
    return _compact(Raw(decoded))


def _compact(value: Raw | UnsetType) -> bytes | None:
    """Without whitespace, so without newlines; None for an absent value and for null."""
    if value is UNSET:
        return None
    try:
        msgspec.json.decode(value)  # format() below trusts its input
    except (msgspec.DecodeError, RecursionError):
        raise TokenInvalid("a claim that should hold JSON does not") from None
    compact = msgspec.json.format(bytes(value), indent=-1)
    return None if compact == b"null" else compact
