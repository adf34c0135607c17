"""Sagas: processes over several entities, each step of which can be taken back. See docs/guides/sagas.md."""

from greenroom.actors.saga.actor import Saga
from greenroom.actors.saga.so_far import SoFar
from greenroom.actors.saga.step import Step, parallel, race, wait_for

__all__ = ["Saga", "SoFar", "Step", "parallel", "race", "wait_for"]
