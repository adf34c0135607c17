"""The sinks installed in this process: each checked once, with what can be known of it from its code alone."""

import inspect
from collections.abc import Iterable, Iterator
from typing import get_args

from greenroom.actors.model.kinds import BadEntityClass, Kind, Kinds
from greenroom.actors.model.message import Event
from greenroom.actors.sinks.sink import Since, Sink
from greenroom.actors.views.installed import Views
from greenroom.actors.views.rules import event_problems, name_problems

BATCH_EVENTS_MAX = 10_000
DEADLINE_MAX_S = 600.0
ATTEMPTS_MAX = 1_000


class BadSinkClass(BadEntityClass):
    """The class of a sink breaks a rule; the text names the class and the rule."""


class InstalledSink:
    """One sink's class, with where its events come from."""

    def __init__(self, sink: type[Sink], kinds: Kinds) -> None:
        """Raises: BadSinkClass."""
        where = f"{sink.__module__}.{sink.__qualname__}"
        for problem in class_problems(sink):
            raise BadSinkClass(f"{where}: {problem}")
        if sink.name in kinds:
            raise BadSinkClass(f"{where}: {sink.name!r} is the name of a kind of entities: give the sink another")
        self.sink = sink
        self.name = sink.name
        self.version = sink.version
        self.events: frozenset[type[Event]] = frozenset(sink.of)
        self.kinds_by_name: dict[str, Kind] = {}
        for event in sink.of:
            recorders = [kind for kind in kinds if event in kind.actor.events]
            if not recorders:
                raise BadSinkClass(f"{where}: no installed entity records {event.__qualname__}: install it too")
            self.kinds_by_name |= {kind.name: kind for kind in recorders}
        self.kinds: frozenset[str] = frozenset(self.kinds_by_name)


class Sinks:
    """The sinks by name. Falsy where there are none."""

    def __init__(self, kinds: Kinds, sinks: Iterable[type[Sink]] = (), views: Views | None = None) -> None:
        """Raises: BadSinkClass, also when a kind, a view or another sink has its name."""
        self._sinks: dict[str, InstalledSink] = {}
        for sink in sinks:
            installed = InstalledSink(sink, kinds)
            if installed.name in self._sinks or (views is not None and installed.name in views):
                raise BadSinkClass(
                    f"{sink.__module__}.{sink.__qualname__}: a view or another sink is named {installed.name!r}"
                )
            self._sinks[installed.name] = installed

    def get(self, name: str) -> InstalledSink | None:
        return self._sinks.get(name)

    def __getitem__(self, name: str) -> InstalledSink:
        """Raises: KeyError."""
        return self._sinks[name]

    def __contains__(self, name: str) -> bool:
        return name in self._sinks

    def __iter__(self) -> Iterator[InstalledSink]:
        return iter(self._sinks.values())

    def __len__(self) -> int:
        return len(self._sinks)


def class_problems(sink: type[Sink]) -> Iterator[str]:
    yield from name_problems(sink.name, sink.version)
    yield from event_problems(sink.of)
    if sink.deliver is Sink.deliver:
        yield "it has no `deliver`: write `async def deliver(self, batch)`"
    elif not inspect.iscoroutinefunction(sink.deliver):
        yield "`deliver` waits for the other side: write `async def`, not `def`"
    if sink.since not in get_args(Since):
        yield f"`since` is one of {', '.join(get_args(Since))}, not {sink.since!r:.80}"
    for name, least, most in (
        ("batch_events", 1, BATCH_EVENTS_MAX),
        ("deadline_s", 0.001, DEADLINE_MAX_S),
        ("attempts_max", 1, ATTEMPTS_MAX),
    ):
        value = getattr(sink, name)
        if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
            yield f"`{name}` is a number from {least} to {most}, not {value!r:.80}"


def sinks_among(classes: Iterable[type]) -> list[type[Sink]]:
    """Those that are sinks, and no bases of some."""
    return [item for item in classes if issubclass(item, Sink) and item.of]
