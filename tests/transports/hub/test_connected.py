"""The connections of each user."""

from greenroom.transports.hub.connected import Connections


class Told:
    def __init__(self, connections: Connections) -> None:
        self.ends: list[tuple[int, str]] = []
        self._connections = connections

    def kicked(self, code: int, reason: str) -> None:
        self.ends.append((code, reason))
        self._connections.left("ann", self)  # as a connection does that ends


def test_the_end_of_a_user_reaches_each_connection_once_and_no_other_users() -> None:
    connections = Connections()
    ann, phone, bob = Told(connections), Told(connections), Told(connections)
    for user, one in (("ann", ann), ("ann", phone), ("bob", bob)):
        connections.came(user, one)
    connections.end("ann", 4501, "signed out")
    connections.end("ann", 4501, "signed out")
    assert (ann.ends, phone.ends, bob.ends) == ([(4501, "signed out")], [(4501, "signed out")], [])
    connections.left("bob", bob)
    connections.left("bob", bob)
    connections.left("nobody", bob)
    connections.end("bob", 4501, "signed out")
    assert bob.ends == []
    assert connections._of == {}, "nothing is kept of those who have left"
