"""What can go wrong with facts, sorted by what the caller does next."""


class StoreError(Exception):
    """Base of everything the store raises."""


class StoreUnavailable(StoreError):
    """The statement certainly did not run, or certainly rolled back. Nothing changed: try again later."""


class DataRefused(StoreUnavailable):
    """The server, or what encodes for it, refuses this statement's data, and would again: it is its caller's alone."""


class OutcomeLost(StoreError):
    """The connection died or went silent with a statement in flight: it may have landed or not. Never guess: claim the
    head again."""


class NotOwner(StoreError):
    """The entity's shard is under a newer term than the caller's: another node owns it."""
