"""How settings are told: their names, what is allowed, and what is wrong."""

import difflib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, Literal, get_args, get_origin

from pydantic.fields import FieldInfo

PREFIX: Final = "GREENROOM_"
_TEST_PREFIX: Final = "GREENROOM_TEST_"
_VALUE_SHOWN_MAX: Final = 60  # characters of a refused value that an error repeats


class SettingsError(Exception):
    """The settings can't be used. `problems` has one line each, beginning with the variable; no secret is in them."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(self.problems))


def variable(field: str) -> str:
    """The environment's name for a field: `port` -> `GREENROOM_PORT`."""
    return PREFIX + field.upper()


def unknown(names: Iterable[str], fields: Mapping[str, FieldInfo]) -> Iterator[str]:
    """A line for each of `names` that begins like a setting of ours and is none."""
    known = [field.upper() for field in fields]
    for name in dict.fromkeys(name.upper() for name in names):
        if name.startswith(PREFIX) and not name.startswith(_TEST_PREFIX) and (tail := name[len(PREFIX) :]) not in known:
            closest = difflib.get_close_matches(tail, known, n=1)  # without the prefix, which all names share
            hint = f"did you mean {PREFIX}{closest[0]}?" if closest else "docs/reference/settings.md lists them all"
            yield f"{name}: no such setting; {hint}"


def refusal(field: str, info: FieldInfo, value: Any) -> str:
    """The line for a field whose `value` is not allowed; a secret one is not repeated."""
    got = ""
    if "SecretStr" not in str(info.annotation) and field != "auth_public_key":
        shown = str(value)
        got = f"; got {shown[:_VALUE_SHOWN_MAX]!r}" + ("…" if len(shown) > _VALUE_SHOWN_MAX else "")
    return f"{variable(field)}: must be {allowed(info)}{got}"


def allowed(info: FieldInfo) -> str:
    """What a field takes, in words: as it says itself, else from its type and bounds."""
    if isinstance(info.json_schema_extra, dict):
        return str(info.json_schema_extra["allowed"])
    if get_origin(info.annotation) is Literal:
        return " | ".join(map(str, get_args(info.annotation)))
    if info.annotation is bool:
        return "true | false"
    noun = "a whole number" if info.annotation is int else "a number"
    bounds: dict[str, float] = {}
    for bound in info.metadata:
        bounds |= {sign: value for sign in ("gt", "ge", "le") if (value := getattr(bound, sign, None)) is not None}
    if "ge" in bounds and "le" in bounds:
        return f"{noun} from {bounds['ge']} to {bounds['le']}"
    words = {"gt": "above", "ge": "of at least", "le": "of at most"}
    return " and ".join([f"{noun} {words[sign]} {value}" for sign, value in bounds.items()])


def default_text(info: FieldInfo) -> str:
    """ "" where unset is the default."""
    if isinstance(info.default, bool):
        return str(info.default).lower()
    if isinstance(info.default, tuple):
        return ",".join(map(str, info.default))
    return "" if info.default is None else str(info.default)
