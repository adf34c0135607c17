"""On whose behalf a message is sent. Commands never carry their author in a field that a client could fill in."""

from msgspec import Struct


class Principal(Struct, frozen=True, gc=False):
    """Who is asking, as the transport has authenticated them."""

    user: str  # "" is anonymous
    roles: frozenset[str] = frozenset()
    client: str = ""  # id of the connection, new at every connect; "" for HTTP
    info: bytes | None = None  # JSON ClientInfo that goes with publications this principal causes
    issued_at: float = 0.0  # Unix s, when their token was issued; 0 when it does not say
    connected_at: float = 0.0  # Unix s, when this connection was made; 0 for HTTP
    system: bool = False  # Greenroom itself, or one entity speaking to another


SYSTEM = Principal(user="", system=True)
ANONYMOUS = Principal(user="")
