"""The path below which a proxy serves us: taken off what comes, so that all that follows knows one set of addresses."""


def without_prefix(path: bytes, prefix: bytes) -> bytes:
    """Below `/chat`, `/chat/api/room/a` is `/api/room/a`. What is not below it stays: probes come past the proxy, and
    there are proxies that take it off themselves."""
    if prefix and path.startswith(prefix) and path[len(prefix) : len(prefix) + 1] == b"/":
        return path[len(prefix) :]
    return path
