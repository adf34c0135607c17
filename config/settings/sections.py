"""The settings that are limits: made from the sections of `limits.py`, so that each is stated once.

`GateConfig.backlog` is GREENROOM_GATE_BACKLOG. A constructor takes its section back out: `settings.gate`.
"""

from typing import TYPE_CHECKING, Any, Final, TypeVar, get_args

import msgspec
from pydantic import Field, create_model
from pydantic_settings import BaseSettings

from greenroom.config.limits import (
    BusConfig,
    ClientConfig,
    CommitConfig,
    GateConfig,
    HttpConfig,
    HubConfig,
    LogConfig,
    MailboxConfig,
    MediaConfig,
    MemoryConfig,
    PassivationConfig,
    StoreConfig,
    SupervisionConfig,
    TraceConfig,
)

# Every field of these is a setting: PREFIX + section + field. DrainConfig is not here: DRAIN_S is short.
SECTIONS: Final[dict[str, type[msgspec.Struct]]] = {
    "log": LogConfig,
    "trace": TraceConfig,
    "gate": GateConfig,
    "client": ClientConfig,
    "http": HttpConfig,
    "hub": HubConfig,
    "bus": BusConfig,
    "mailbox": MailboxConfig,
    "supervision": SupervisionConfig,
    "passivation": PassivationConfig,
    "memory": MemoryConfig,
    "commit": CommitConfig,
    "store": StoreConfig,
    "media": MediaConfig,
}

_Section = TypeVar("_Section", bound=msgspec.Struct)


def _limit_fields() -> dict[str, Any]:
    """Pydantic fields for every limit: the type, bounds, default and meaning that its section states."""
    fields: dict[str, Any] = {}
    for section, struct in SECTIONS.items():
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


class SectionSettings(_Limits):
    """Every limit as a flat setting, and the sections made of them."""

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
    def bus(self) -> BusConfig:
        return self._section("bus", BusConfig)

    @property
    def mailbox(self) -> MailboxConfig:
        return self._section("mailbox", MailboxConfig)

    @property
    def supervision(self) -> SupervisionConfig:
        return self._section("supervision", SupervisionConfig)

    @property
    def memory(self) -> MemoryConfig:
        return self._section("memory", MemoryConfig)

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
    def media_limits(self) -> MediaConfig:
        """`media` is where they are kept."""
        return self._section("media", MediaConfig)

    def _section(self, name: str, struct: type[_Section]) -> _Section:
        return struct(**{field: getattr(self, f"{name}_{field}") for field in struct.__struct_fields__})
