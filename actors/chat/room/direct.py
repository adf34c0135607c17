"""Direct conversations: the room whose key names the two users it belongs to."""

from urllib.parse import unquote


def direct_key(one: str, other: str) -> str:
    """`@ann+bob` for two user ids in either order. A `%` or `+` inside an id is written `%25` or `%2B`."""
    first, second = sorted((one, other))
    return f"@{_quote(first)}+{_quote(second)}"


def direct_users(key: str) -> tuple[str, str] | None:
    """The two users of a direct conversation's key; None when it is not exactly what `direct_key` makes."""
    first, plus, second = key[1:].partition("+")
    one, other = unquote(first), unquote(second)
    if not plus or not one or not other or one == other or direct_key(one, other) != key:
        return None
    return one, other


def _quote(user: str) -> str:
    return user.replace("%", "%25").replace("+", "%2B")
