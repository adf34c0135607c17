"""Messages and events whose fields a test makes up. `msgspec.defstruct` makes none that come from a metaclass."""

import types
from collections.abc import Iterable
from typing import Any, TypeVar

from msgspec import Struct

Made = TypeVar("Made", bound=Struct)


def struct_class(base: type[Made], name: str, fields: Iterable[tuple[Any, ...]], **config: Any) -> type[Made]:
    """A subclass of `base` with `fields`, each (name, type) or (name, type, default)."""
    namespace: dict[str, Any] = {"__module__": __name__, "__annotations__": {field[0]: field[1] for field in fields}}
    namespace |= {field[0]: field[2] for field in fields if len(field) > 2}
    made: type[Made] = types.new_class(name, (base,), config, lambda body: body.update(namespace))
    return made
