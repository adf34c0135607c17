"""Epochs: which incarnation of a journal. Random, since a journal that begins anew has no memory of the one before."""

import secrets


def lineage_of(epoch: str) -> str:
    """The part that names the lineage of the database that the entity was claimed in: from the first dot on."""
    _, dot, rest = epoch.partition(".")
    return dot + rest


def random_epoch() -> str:
    """Eight hexadecimal digits: clients compare epochs for equality only, and see two of an entity in a lifetime."""
    return secrets.token_hex(4)
