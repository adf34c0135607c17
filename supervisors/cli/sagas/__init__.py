"""`greenroom sagas`: which there are, how far one is, and what can be done about them."""

from greenroom.supervisors.cli.sagas.app import sagas_app

__all__ = ["sagas_app"]
