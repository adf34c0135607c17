"""Sagas: processes over several entities, each step of which can be taken back. See docs/sagas.md."""

from actors.saga.actor import Saga
from actors.saga.so_far import SoFar
from actors.saga.step import Step

__all__ = ["Saga", "SoFar", "Step"]
