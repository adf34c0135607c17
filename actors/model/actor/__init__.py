"""The actor: an entity while it is awake, what it may use, and what it needs from whoever runs it."""

from greenroom.actors.model.actor.actor import NO_TIMERS, TIMER_NAME_MAX, Actor
from greenroom.actors.model.actor.aside import Aside, Reads
from greenroom.actors.model.actor.limits import KindLimits
from greenroom.actors.model.actor.runtime import ReadTurn, Runtime

__all__ = ["NO_TIMERS", "TIMER_NAME_MAX", "Actor", "Aside", "KindLimits", "ReadTurn", "Reads", "Runtime"]
