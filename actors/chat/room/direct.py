"""Direct conversations: the room whose key names the two users it belongs to.

Sorted by code points, which is the order of their UTF-8 and of Python, and not that of JavaScript, whose strings are
UTF-16: `שּׁx` (U+FB2C) comes before `😀` (U+1F600), so the two of them talk in `@שּׁx+😀`.
"""

from urllib.parse import unquote

from greenroom.actors.model.principal import user_id_problem


def direct_key(one: str, other: str) -> str:
    """`@ann+bob` for two user ids in either order. A `%` or `+` inside an id is written `%25` or `%2B`."""
    first, second = sorted((one, other))
    return f"@{_quote(first)}+{_quote(second)}"


def direct_users(key: str) -> tuple[str, str] | None:
    """The two users of a direct conversation's key; None when it is not exactly what `direct_key` makes."""
    first, plus, second = key[1:].partition("+")
    one, other = unquote(first), unquote(second)
    if not plus or one == other or user_id_problem(one) or user_id_problem(other) or direct_key(one, other) != key:
        return None
    return one, other


def _quote(user: str) -> str:
    return user.replace("%", "%25").replace("+", "%2B")
