"""How the system finds out that the other side of a connection is gone: without power, or behind a NAT that forgot.

Such a peer says nothing. So the socket asks for it while nothing else is said (keepalive), and gives up on what nobody
confirms (TCP_USER_TIMEOUT, where the system has it).
"""

import socket

PROBES = 3  # keepalives without an answer, until the socket counts as dead


def keep_alive(sock: socket.socket, silence_s: float) -> None:
    """Have the system find out within about `silence_s` seconds, idle or not, that the peer is gone."""
    if sock.family not in (socket.AF_INET, socket.AF_INET6):
        return  # a peer on this machine that is gone has closed its end
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    idle_s, interval_s = max(1, round(silence_s / 2)), max(1, round(silence_s / 2 / PROBES))
    wanted = {
        "TCP_KEEPIDLE": idle_s,
        "TCP_KEEPALIVE": idle_s,  # macOS's name for it
        "TCP_KEEPINTVL": interval_s,
        "TCP_KEEPCNT": PROBES,
        "TCP_USER_TIMEOUT": max(1, int(silence_s * 1000)),
    }
    for name, value in wanted.items():
        option = getattr(socket, name, None)  # no system has them all
        if option is not None:
            sock.setsockopt(socket.IPPROTO_TCP, option, value)
