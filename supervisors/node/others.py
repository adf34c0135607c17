"""The other nodes, as the parts of this one know them that are made before it is joined with any, or never is."""

from collections.abc import Collection, Mapping

from greenroom.supervisors.node.joined import Joined


class Others:
    """`joined` is set where it shares its database; nothing is told, and nobody known, while it is not."""

    def __init__(self) -> None:
        self.joined: Joined | None = None

    def moved(self, shards: Collection[int]) -> None:
        """These have other owners than was known here."""
        if self.joined is not None:
            self.joined.correspondence.moved(shards)

    def gone(self, node: int) -> None:
        if self.joined is not None:
            self.joined.forget(node)

    def announce(self, owner: int, terms: Mapping[int, int]) -> None:
        """See Joined."""
        if self.joined is not None:
            self.joined.announce(owner, terms)

    def unreached(self) -> Collection[int]:
        """See Joined."""
        return self.joined.unreached() if self.joined is not None else ()

    def linked(self) -> Collection[int]:
        """See Joined."""
        return self.joined.linked() if self.joined is not None else ()

    def links(self) -> dict[int, str]:
        """How the link to each of them is."""
        return self.joined.links() if self.joined is not None else {}

    def shown(self) -> dict[str, object]:
        """What operators see of them."""
        return self.joined.shown() if self.joined is not None else {}
