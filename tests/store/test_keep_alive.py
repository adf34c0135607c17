import socket

from greenroom.store.keep_alive import keep_alive


def test_a_socket_on_this_machine_needs_none_of_it() -> None:
    with socket.socket(socket.AF_UNIX) as sock:
        keep_alive(sock, 4.0)
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 0
