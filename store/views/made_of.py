"""Made of: which events of each kind a table follows, and which of that kind it has passed over. Decisions only.

How far an entity is folded is one number. So an event that was passed over, as none of those that are followed, is not
looked at again: a table that is to follow it as well has to be filled anew. A kind as a whole may come and go, since
each of its entities stands where it stood; and so may an event that the kind did not have before.
"""

from collections.abc import Iterable

from msgspec import Struct


class OfKind(Struct, frozen=True, omit_defaults=True):
    """The events of one kind, by tag and sorted."""

    kind: str
    followed: tuple[str, ...] = ()
    passed: tuple[str, ...] = ()  # the kind has had these too


def of_kind(kind: str, followed: Iterable[str], recorded: Iterable[str]) -> OfKind:
    """`recorded`: all that the kind has, by tag."""
    wanted = set(followed)
    return OfKind(kind, tuple(sorted(wanted)), tuple(sorted(set(recorded) - wanted)))


def together(before: Iterable[OfKind], now: Iterable[OfKind]) -> tuple[OfKind, ...]:
    """What a table has been made of, once it has followed both."""
    followed: dict[str, set[str]] = {}
    passed: dict[str, set[str]] = {}
    for one in (*before, *now):
        followed.setdefault(one.kind, set()).update(one.followed)
        passed.setdefault(one.kind, set()).update(one.passed)
    return tuple(of_kind(kind, followed[kind], followed[kind] | passed[kind]) for kind in sorted(followed))


def differences(before: Iterable[OfKind], now: Iterable[OfKind]) -> list[str]:
    """Why a table that was made of those events can't go on with these: each to be read by itself."""
    present = {one.kind: one for one in now}
    found: list[str] = []
    for was in before:
        one = present.get(was.kind)
        if one is not None:
            found += [f"{tag} was passed over until now" for tag in one.followed if tag in was.passed]
            found += [f"{tag} is not folded any more" for tag in one.passed if tag in was.followed]
    return found
