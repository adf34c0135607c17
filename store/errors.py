"""What can go wrong with facts, sorted by what the caller does next."""


class StoreError(Exception):
    """Base of everything the store raises."""


class StoreUnavailable(StoreError):
    """The statement certainly did not run, or certainly rolled back. Nothing changed: try again later."""


class DataRefused(StoreUnavailable):
    """The server, or what encodes for it, refuses this statement's data, and would again: it is its caller's alone."""


class StatementRefused(StoreUnavailable):
    """The server refuses the statement itself: what it names is gone, or not ours to touch. It would again, until
    somebody mends that."""


class TookTooLong(StoreUnavailable):
    """The statement was ended because its time was up, and wrote nothing. Less at once may do."""


class NotAnswered(TookTooLong):
    """Nobody has answered it in its time. A server that works ends before what takes too long: so it is away, or the
    wire has gone silent."""


class NoSessionLeft(StoreUnavailable):
    """The server has no more sessions for us."""


class OutcomeLost(StoreError):
    """The connection died or went silent with a statement in flight: it may have landed or not. Never guess: claim the
    head again."""


class NotOwner(StoreError):
    """The entity's shard is under a newer term than the caller's: another node owns it."""


class Erased(StoreError):
    """The entity was erased for good: its name is not given to anybody again."""


class JournalDamaged(StoreError):
    """What is stored of one entity contradicts itself, or the server refuses it. Somebody must look; others go on."""

    def __init__(self, entity: str, what: str) -> None:
        super().__init__(entity, what)
        self.entity = entity
        self.what = what

    def __str__(self) -> str:
        return (
            f"{self.entity}: {self.what}. Nothing of it is served or written until that is mended: restore its rows of "
            "heads, journal and snapshots from a backup. If what the journal holds is right and only the head is not, "
            "set the head's offset to that of the last event, with the node stopped. Then send to the entity again."
        )


class ViewRefused(StoreError):
    """A view can't be installed on this database; the text says why and what to do."""
