"""On whose behalf a message is sent. Commands never carry their author in a field that a client could fill in.

A user id comes in by many ways: a token's `sub`, the header and the connect data of `local`, fields of commands, the
key of a direct conversation. One rule decides for all of them, `user_id_problem`, since each becomes a key: a user's
session is `session:{user}`.
"""

import re
from collections.abc import Iterable, Iterator
from functools import cache
from typing import Annotated, Final

import msgspec.inspect as inspect
from msgspec import Meta, Struct

from greenroom.actors.model.entity import KEY_BYTES_MAX

USER_BYTES_MAX: Final = KEY_BYTES_MAX  # of UTF-8
STAFF_ROLES: Final = frozenset(("service", "admin"))  # of tokens: they may look at, and act for, every user
NO_ROLES: Final[frozenset[str]] = frozenset()  # one for all: each `frozenset()` is another, of 216 bytes
# Nobody may be called what logs, pages and journals call those who are no user.
RESERVED_USERS: Final = frozenset(("anonymous", "system"))
_CONTROLS: Final = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_MARK: Final = "user_id"

# A field that names a user: what no user can be called is refused (422) before the entity hears of it. `max_length`
# counts characters and so is only the first sieve.
UserId = Annotated[str, Meta(min_length=1, max_length=USER_BYTES_MAX, extra={_MARK: True})]


class Principal(Struct, frozen=True, gc=False):
    """Who is asking, as the transport has authenticated them."""

    user: str  # "" is anonymous
    roles: frozenset[str] = NO_ROLES
    client: str = ""  # id of the connection, new at every connect; "" for HTTP
    info: bytes | None = None  # JSON ClientInfo that goes with publications this principal causes
    issued_at: float = 0.0  # Unix s, the last moment at which their token may have been issued; 0 when it doesn't say
    connected_at: float = 0.0  # Unix s, when this connection was made; 0 for HTTP
    system: bool = False  # Greenroom itself, or one entity speaking to another
    granted: bool = False  # a subscription token lets them watch this entity, whatever its own lists say


SYSTEM = Principal(user="", system=True)
ANONYMOUS = Principal(user="")


def user_id_problem(user: str) -> str:
    """What keeps a text from being a user's id, to be read behind the field's name; "" when it can be one.

    1 to 255 bytes of UTF-8, no control characters (C0, DEL, C1), and no reserved name.
    """
    if not user:
        return "is empty"
    if _CONTROLS.search(user) is not None:
        return "holds control characters"
    try:
        size = len(user.encode())
    except UnicodeEncodeError:  # lone surrogates
        return "is not valid Unicode"
    if size > USER_BYTES_MAX:
        return f"is longer than {USER_BYTES_MAX} bytes of UTF-8"
    if user in RESERVED_USERS:
        return "is a reserved name"
    return ""


def user_field_problem(message: Struct) -> tuple[str, str] | None:
    """The first field of `message` declared as `UserId`, or as some, that names what can be no user, and why."""
    for field in user_fields(type(message)):
        value = getattr(message, field)
        for user in (value,) if isinstance(value, str) else value or ():
            if problem := user_id_problem(user):
                return field, problem
    return None


@cache
def user_fields(message: type[Struct]) -> tuple[str, ...]:
    """The fields declared as `UserId`, `UserId | None`, or a list, set or dict of some (by its keys)."""
    info = inspect.type_info(message)
    assert isinstance(info, inspect.StructType)
    return tuple(field.name for field in info.fields if any(map(is_user_id, _parts(field.type))))


def _parts(declared: inspect.Type) -> Iterator[inspect.Type]:
    """The type, or each alternative, or what it is a collection of."""
    match declared:
        case inspect.UnionType(types=types):
            alternatives: Iterable[inspect.Type] = types
        case _:
            alternatives = (declared,)
    for one in alternatives:
        match one:
            case inspect.CollectionType(item_type=item):
                yield item
            case inspect.DictType(key_type=key):
                yield key
            case _:
                yield one


def is_user_id(declared: inspect.Type) -> bool:
    """Is it the type `UserId`?"""
    return isinstance(declared, inspect.Metadata) and bool((declared.extra or {}).get(_MARK))
