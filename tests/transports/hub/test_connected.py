"""The connections of each user."""

from greenroom.transports.hub.connected import Connections
from tests.transports.hub.test_hub import Connection


def test_the_connections_of_a_user_are_known_and_nothing_is_kept_of_those_who_have_left() -> None:
    connections = Connections()
    ann, phone, bob = Connection(), Connection(), Connection()
    for user, one in (("ann", ann), ("ann", phone), ("bob", bob)):
        connections.came(user, one)
    assert (connections.of("ann"), connections.of("bob"), connections.of("cleo")) == ([ann, phone], [bob], [])
    connections.left("ann", ann)
    assert connections.of("ann") == [phone]
    connections.left("ann", phone)
    connections.left("bob", bob)
    connections.left("bob", bob)
    connections.left("nobody", bob)
    assert connections.of("bob") == []
    assert connections._of == {}
