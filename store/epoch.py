"""Epochs: which incarnation of a journal. Random, since a journal that begins anew has no memory of the one before."""

import secrets


def random_epoch() -> str:
    """Eight hexadecimal digits: clients compare epochs for equality only, and see two of an entity in a lifetime."""
    return secrets.token_hex(4)
