"""Spans of entities that somebody looks at."""

import pytest
from opentelemetry.sdk.trace import TracerProvider

from greenroom.config.telemetry.tracing import ENTITY
from greenroom.supervisors.admin import traces as traces_module
from greenroom.supervisors.admin.traces import LOOKED_AT_S, Traces


class World:
    def __init__(self) -> None:
        self.now = 0.0
        self.traces = Traces(lambda: self.now)
        provider = TracerProvider(shutdown_on_exit=False)
        provider.add_span_processor(self.traces)
        self._tracer = provider.get_tracer("test")

    def call(self, entity: str, name: str = "room.send") -> None:
        with self._tracer.start_as_current_span(name, attributes={ENTITY: entity}) as span:
            span.set_attribute("greenroom.outcome", "ok")


def test_only_what_comes_while_somebody_looks_is_kept() -> None:
    world = World()
    world.call("room:a")
    assert world.traces.of("room:a") == []
    world.call("room:a", "first")
    world.call("room:b")
    world.call("room:a", "second")
    found = world.traces.of("room:a")
    assert [(one.name, one.outcome) for one in found] == [("second", "ok"), ("first", "ok")]
    assert all(len(one.trace) == 32 and one.seconds >= 0 for one in found)


def test_once_nobody_has_looked_for_a_while_nothing_is_kept() -> None:
    world = World()
    world.traces.of("room:a")
    world.call("room:a")
    assert len(world.traces.of("room:a")) == 1
    world.now += LOOKED_AT_S + 1
    world.traces.of("room:b")
    assert list(world.traces._spans) == ["room:b"]
    world.now += LOOKED_AT_S + 1
    world.call("room:b")
    assert not world.traces._spans, "also where nobody looks at anything any more"


@pytest.mark.bound("entities whose spans are collected while somebody looks at them")
def test_both_bounds_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(traces_module, "ENTITIES_MAX", 2)
    monkeypatch.setattr(traces_module, "SPANS_MAX", 3)
    world = World()
    for entity in ("room:a", "room:b", "room:c"):
        world.traces.of(entity)
    assert list(world.traces._spans) == ["room:b", "room:c"]
    for number in range(5):
        world.call("room:c", str(number))
    assert [one.name for one in world.traces.of("room:c")] == ["4", "3", "2"]


def test_a_span_without_an_entity_is_nobodys() -> None:
    world = World()
    world.traces.of("room:a")
    with world._tracer.start_as_current_span("other"):
        pass
    assert world.traces.of("room:a") == []
    assert world.traces.force_flush()
    world.traces.shutdown()
