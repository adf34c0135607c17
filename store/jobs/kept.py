"""For how long finished jobs are kept, by how they have ended, and how many of them."""

from msgspec import Struct


class Kept(Struct, frozen=True):
    """Days, and beyond `most` jobs (None: as many as there are) the oldest days go before their time."""

    completed: int
    failed: int
    cancelled: int
    most: int | None = None

    @classmethod
    def of(
        cls,
        days: int,
        *,
        completed: int | None = None,
        failed: int | None = None,
        cancelled: int | None = None,
        most: int | None = None,
    ) -> "Kept":
        """`days` for what nothing is said of."""
        return cls(
            days if completed is None else completed,
            days if failed is None else failed,
            days if cancelled is None else cancelled,
            most,
        )

    def days_of(self, state: str) -> int:
        return {"completed": self.completed, "failed": self.failed}.get(state, self.cancelled)

    @property
    def longest(self) -> int:
        """Days after which there is nothing left of one."""
        return max(self.completed, self.failed, self.cancelled)
