"""Settings: what an operator sets in the environment or in `.env`, checked at the start and all at once.

The settings of a node are fields of `Settings`; those of its limits are made from the sections of `limits.py`, so a
limit is stated once. `greenroom.config.reference` prints docs/reference/settings.md from them.

A name that begins with GREENROOM_ and is no setting stops the start: a typo fails at boot, not at 3 a.m. Names that
begin with GREENROOM_TEST_ belong to the test suite and are passed over.
"""

import difflib
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, Self, TypeVar, get_args, get_origin
from urllib.parse import urlsplit

import msgspec
from dotenv import dotenv_values
from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    ModelWrapValidatorHandler,
    SecretStr,
    ValidationError,
    create_model,
    model_validator,
)
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from greenroom.config.limits import (
    ClientConfig,
    CommitConfig,
    DrainConfig,
    GateConfig,
    HttpConfig,
    HubConfig,
    LogConfig,
    MailboxConfig,
    PassivationConfig,
    StoreConfig,
    SupervisionConfig,
    TraceConfig,
)

PREFIX: Final = "GREENROOM_"
_TEST_PREFIX: Final = "GREENROOM_TEST_"
_ENV_FILE: Final = ".env"
_VALUE_SHOWN_MAX: Final = 60  # characters of a refused value that an error repeats

# Every field of these is a setting: PREFIX + section + field. DrainConfig is not here: its one setting is DRAIN_S.
_SECTIONS: Final[dict[str, type[msgspec.Struct]]] = {
    "log": LogConfig,
    "trace": TraceConfig,
    "gate": GateConfig,
    "client": ClientConfig,
    "http": HttpConfig,
    "hub": HubConfig,
    "mailbox": MailboxConfig,
    "supervision": SupervisionConfig,
    "passivation": PassivationConfig,
    "commit": CommitConfig,
    "store": StoreConfig,
}

# What addresses of our own begin with: a file of that name in STATIC would never be served.
OWN_PATHS: Final = frozenset(
    ("admin", "api", "connection", "docs", "emulation", "events", "health", "metrics", "ready", "static")
)

# The first may not be above the second: each alone is within its bounds, together they would make no sense.
_ORDERED: Final = (
    ("supervision_backoff_first_s", "supervision_backoff_max_s"),
    ("http_deadline_s", "http_deadline_max_s"),
    ("client_pong_timeout_s", "client_ping_s"),
)

_Section = TypeVar("_Section", bound=msgspec.Struct)


class SettingsError(Exception):
    """The settings can't be used. `problems` has one line each, beginning with the variable; no secret is in them."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(self.problems))


def _variable(field: str) -> str:
    return PREFIX + field.upper()


def _setting(default: Any, meaning: str, *, allowed: str | None = None, **bounds: Any) -> Any:
    """A field with what the table says of it. `allowed` is worked out from type and bounds unless given."""
    return Field(default, description=meaning, json_schema_extra={"allowed": allowed} if allowed else None, **bounds)


def _limit_fields() -> dict[str, Any]:
    """Pydantic fields for every limit: the type, bounds, default and meaning that its section states."""
    fields: dict[str, Any] = {}
    for section, struct in _SECTIONS.items():
        for field in msgspec.structs.fields(struct):
            kind, meta = get_args(field.type)
            fields[f"{section}_{field.name}"] = (
                kind,
                Field(field.default, description=meta.description, gt=meta.gt, ge=meta.ge, le=meta.le),
            )
    return fields


if TYPE_CHECKING:

    class _Limits(BaseSettings):
        """To the type checker the flat limits don't exist: read them through their sections, which are typed."""

else:
    _Limits = create_model("_Limits", __base__=BaseSettings, **_limit_fields())


def _split(value: object) -> object:
    return tuple(part for item in value.split(",") if (part := item.strip())) if isinstance(value, str) else value


def _origin(origin: str) -> str:
    """`scheme://host[:port]` as browsers send it: lower case, no slash at the end."""
    if origin == "*":
        return origin
    origin = origin.lower().rstrip("/")
    if not re.fullmatch(r"https?://(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(:\d{1,5})?", origin):
        raise ValueError
    return origin


def _import_path(path: str) -> str:
    if not re.fullmatch(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*(:[A-Za-z_]\w*)?", path):
        raise ValueError
    return path


def _url_of(*schemes: str) -> AfterValidator:
    def check(url: SecretStr) -> SecretStr:
        parts = urlsplit(url.get_secret_value())
        if parts.scheme not in schemes or not (parts.netloc or parts.path):
            raise ValueError
        _ = parts.port  # raises ValueError unless it is a port
        return url

    return AfterValidator(check)


def _database_address(url: SecretStr) -> SecretStr:
    """Of one host or several, `postgresql://user:password@db1:5432,db2:5432/database`."""
    parts = urlsplit(url.get_secret_value())
    if parts.scheme not in ("postgres", "postgresql") or not (parts.netloc or parts.path):
        raise ValueError
    for host in parts.netloc.rpartition("@")[2].split(","):
        _ = urlsplit(f"//{host}").port  # raises ValueError unless it is a port
    return url


def _path_prefix(path: str) -> str:
    path = path.rstrip("/")
    if path and not re.fullmatch(r"(/[A-Za-z0-9._~-]+)+", path):
        raise ValueError
    if path.split("/")[1:2] and path.split("/")[1] in OWN_PATHS:
        raise ValueError
    return path


def _public_key(text: str) -> str:
    text = text.replace("\\n", "\n").strip()  # one-line form, as environments that hold no line ends have it
    if not text.startswith("-----BEGIN PUBLIC KEY-----") or "PRIVATE" in text:
        raise ValueError
    return text


def _existing_file(path: Path) -> Path:
    if not path.is_file():
        raise ValueError
    return path


def _existing_folder(path: Path) -> Path:
    if not (path.is_dir() and os.access(path, os.R_OK | os.X_OK)):
        raise ValueError
    return path


class Settings(_Limits):
    """All settings of one node, valid together. Make it with `load_settings`."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_file=_ENV_FILE,
        env_file_encoding="utf-8",
        env_ignore_empty=True,  # `GREENROOM_REDIS_URL=` in a compose file means unset
        extra="ignore",  # .env may hold other programs' names; load_settings refuses unknown ones of ours
        frozen=True,
        allow_inf_nan=False,
        hide_input_in_errors=True,
    )

    env: Literal["local", "staging", "production"] = _setting(
        "local",
        "how strict the start is: staging needs a secret or key; production a secret or key, a database, Redis and "
        "named origins as well",
    )
    host: str = _setting("127.0.0.1", "address to listen on", allowed="an address or host name", min_length=1)
    port: int = _setting(8000, "port to listen on; 0 takes a free one", ge=0, le=65_535)
    nodes: int = _setting(1, "node processes sharing the port", ge=1, le=256)
    database_url: Annotated[SecretStr, AfterValidator(_database_address)] | None = _setting(
        None,
        "Postgres; unset: a server of our own in DATA_DIR",
        allowed="postgresql://user:password@host:port/database; several host:port separated by commas",
    )
    redis_url: Annotated[SecretStr, _url_of("redis", "rediss", "unix")] | None = _setting(
        None, "Redis or Valkey; unset: a server of our own in DATA_DIR", allowed="redis://… or rediss://… or unix://…"
    )
    path_prefix: Annotated[str, AfterValidator(_path_prefix)] = _setting(
        "",
        "path below which a proxy serves us; taken off every request that begins with it",
        allowed="a path such as /chat, not below an address of ours",
    )
    data_dir: Path = _setting(
        Path(".greenroom"), "folder of our own servers and of the secret made for ENV=local", allowed="a folder"
    )
    auth_secret: SecretStr | None = _setting(
        None,
        "shared secret of HS256 tokens; unset with ENV=local: one is made and kept in DATA_DIR",
        allowed="any text; 32 random bytes or more are advised",
    )
    auth_public_key: Annotated[str, AfterValidator(_public_key)] | None = _setting(
        None, "public key of EdDSA or RS256 tokens", allowed="PEM text that begins -----BEGIN PUBLIC KEY-----"
    )
    auth_jwks_file: Annotated[Path, AfterValidator(_existing_file)] | None = _setting(
        None, "public keys of EdDSA or RS256 tokens, by key id", allowed="an existing JWKS file"
    )
    auth_algorithm: Literal["HS256", "EdDSA", "RS256"] = _setting("HS256", "the one algorithm accepted in tokens")
    anonymous: Literal["refuse", "watch"] = _setting(
        "refuse",
        "who brings no token is refused, or may watch what entities show to the anonymous, and send nothing; with "
        "ENV=local they may act as well, and name themselves",
    )
    allowed_origins: Annotated[
        tuple[Annotated[str, AfterValidator(_origin)], ...], NoDecode, BeforeValidator(_split)
    ] = _setting(
        (),
        "pages that may connect besides our own; * for any page (not in production)",
        allowed="https://host[:port], several separated by commas, or *",
    )
    entities: Annotated[tuple[Annotated[str, AfterValidator(_import_path)], ...], NoDecode, BeforeValidator(_split)] = (
        _setting(
            (), "entities of your own to serve", allowed="package.module:Class or package.module, separated by commas"
        )
    )
    static: Annotated[Path, AfterValidator(_existing_folder)] | None = _setting(
        None,
        "folder of pages of your own, served from / on; its index.html takes the place of the chat page",
        allowed="a folder that can be read, without names that are addresses of ours, and not around DATA_DIR",
    )
    shards: int = _setting(
        4096, "shards that entities hash onto; never change it for a database in use", ge=1, le=65_536
    )
    lease_s: float = _setting(
        5.0, "a node that can't renew its lease for this long has lost its shards, seconds", ge=1, le=60
    )
    drain_s: float = _setting(DrainConfig().deadline_s, "longest a stopping node may drain, seconds", gt=0)

    @model_validator(mode="wrap")
    @classmethod
    def _all_problems_at_once(cls, values: Mapping[str, object], validate: ModelWrapValidatorHandler[Self]) -> Self:
        """Pydantic stops at the fields; an operator wants to hear of the rules between them in the same run."""
        try:
            settings, wrong = validate(values), dict[str, str]()
        except ValidationError as error:
            wrong = {str(problem["loc"][0]): _refusal(str(problem["loc"][0]), values) for problem in error.errors()}
            settings = validate({name: value for name, value in values.items() if name not in wrong})
        broken = [f"{_variable(name)}: {text}" for name, text in _broken_rules(settings) if name not in wrong]
        if wrong or broken:
            raise SettingsError([*wrong.values(), *broken])
        return settings

    @property
    def log(self) -> LogConfig:
        return self._section("log", LogConfig)

    @property
    def trace(self) -> TraceConfig:
        return self._section("trace", TraceConfig)

    @property
    def gate(self) -> GateConfig:
        return self._section("gate", GateConfig)

    @property
    def client(self) -> ClientConfig:
        return self._section("client", ClientConfig)

    @property
    def http(self) -> HttpConfig:
        return self._section("http", HttpConfig)

    @property
    def hub(self) -> HubConfig:
        return self._section("hub", HubConfig)

    @property
    def mailbox(self) -> MailboxConfig:
        return self._section("mailbox", MailboxConfig)

    @property
    def supervision(self) -> SupervisionConfig:
        return self._section("supervision", SupervisionConfig)

    @property
    def passivation(self) -> PassivationConfig:
        return self._section("passivation", PassivationConfig)

    @property
    def commit(self) -> CommitConfig:
        return self._section("commit", CommitConfig)

    @property
    def store(self) -> StoreConfig:
        return self._section("store", StoreConfig)

    @property
    def drain(self) -> DrainConfig:
        return DrainConfig(deadline_s=self.drain_s)

    def _section(self, name: str, struct: type[_Section]) -> _Section:
        return struct(**{field: getattr(self, f"{name}_{field}") for field in struct.__struct_fields__})


def load_settings(**overrides: Any) -> Settings:
    """Settings from `overrides` (by field name, such as `port`; None is left out), else the environment, else `.env`.

    Raises: SettingsError, with every problem that was found.
    """
    given = {name: value for name, value in overrides.items() if value is not None}
    try:
        problems = [*_unknown([*os.environ, *dotenv_values(_ENV_FILE, encoding="utf-8")])]
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError([f"{_ENV_FILE}: can't be read as UTF-8 text ({type(error).__name__})"]) from None
    problems += _unknown(_variable(name) for name in given if name not in Settings.model_fields)
    try:
        settings = Settings(**given)
    except SettingsError as error:
        raise SettingsError([*problems, *error.problems]) from None
    if problems:
        raise SettingsError(problems)
    return settings


def settings_table() -> list[tuple[str, str, str, str]]:
    """(name, default, what is allowed, meaning) of every setting, the node's own first, then the limits by section."""
    fields = Settings.model_fields
    own = [name for name in fields if name not in _Limits.model_fields]
    return [
        (_variable(name), _default_text(fields[name]), _allowed(fields[name]), fields[name].description or "")
        for name in (*own, *(name for name in fields if name not in own))
    ]


def _unknown(names: Iterable[str]) -> Iterator[str]:
    known = [field.upper() for field in Settings.model_fields]
    for name in dict.fromkeys(name.upper() for name in names):
        if name.startswith(PREFIX) and not name.startswith(_TEST_PREFIX) and (tail := name[len(PREFIX) :]) not in known:
            closest = difflib.get_close_matches(tail, known, n=1)  # without the prefix, which all names share
            hint = f"did you mean {PREFIX}{closest[0]}?" if closest else "docs/reference/settings.md lists them all"
            yield f"{name}: no such setting; {hint}"


def _refusal(field: str, values: Mapping[str, object]) -> str:
    info = Settings.model_fields[field]
    got = ""
    if "SecretStr" not in str(info.annotation) and field != "auth_public_key":
        shown = str(values.get(field))
        got = f"; got {shown[:_VALUE_SHOWN_MAX]!r}" + ("…" if len(shown) > _VALUE_SHOWN_MAX else "")
    return f"{_variable(field)}: must be {_allowed(info)}{got}"


def _has_text(secret: SecretStr | None) -> bool:
    return secret is not None and bool(secret.get_secret_value().strip())


def _broken_rules(settings: Settings) -> Iterator[tuple[str, str]]:
    """(field, problem) for every rule between settings that does not hold."""
    if settings.auth_algorithm == "HS256":
        if settings.env != "local" and not _has_text(settings.auth_secret):
            yield (
                "auth_secret",
                f"must be set with GREENROOM_ENV={settings.env} (or choose GREENROOM_AUTH_ALGORITHM EdDSA or RS256 and "
                "set GREENROOM_AUTH_PUBLIC_KEY or GREENROOM_AUTH_JWKS_FILE)",
            )
    elif not settings.auth_public_key and not settings.auth_jwks_file:
        yield (
            "auth_public_key",
            f"it or GREENROOM_AUTH_JWKS_FILE must be set with GREENROOM_AUTH_ALGORITHM={settings.auth_algorithm}",
        )
    if settings.auth_public_key and settings.auth_jwks_file:
        yield "auth_jwks_file", "must be unset when GREENROOM_AUTH_PUBLIC_KEY is set: one place for keys"
    if settings.env == "production":
        for name in ("database_url", "redis_url"):
            if getattr(settings, name) is None:
                yield name, "must be set with GREENROOM_ENV=production; our own servers are for trying things out"
        if "*" in settings.allowed_origins:
            yield "allowed_origins", "must name each origin with GREENROOM_ENV=production; * would let any page in"
    if settings.static is not None:
        if shadowed := sorted(OWN_PATHS & {path.name for path in settings.static.iterdir()}):
            yield "static", f"holds {shadowed[0]}, and /{shadowed[0]} is an address of Greenroom's own: rename it"
        if settings.data_dir.resolve().is_relative_to(settings.static.resolve()):
            yield "static", "must not be around GREENROOM_DATA_DIR, where the secret and the database are"
    for lower, upper in _ORDERED:
        if getattr(settings, lower) > (most := getattr(settings, upper)):
            yield lower, f"must be at most {_variable(upper)}, which is {most:g}"


def _allowed(info: FieldInfo) -> str:
    if isinstance(info.json_schema_extra, dict):
        return str(info.json_schema_extra["allowed"])
    if get_origin(info.annotation) is Literal:
        return " | ".join(map(str, get_args(info.annotation)))
    noun = "a whole number" if info.annotation is int else "a number"
    bounds: dict[str, float] = {}
    for bound in info.metadata:
        bounds |= {sign: value for sign in ("gt", "ge", "le") if (value := getattr(bound, sign, None)) is not None}
    if "ge" in bounds and "le" in bounds:
        return f"{noun} from {bounds['ge']} to {bounds['le']}"
    words = {"gt": "above", "ge": "of at least", "le": "of at most"}
    return " and ".join([f"{noun} {words[sign]} {value}" for sign, value in bounds.items()])


def _default_text(info: FieldInfo) -> str:
    return "" if info.default in (None, ()) else str(info.default)
