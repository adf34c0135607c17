"""Traces: the last spans of entities that somebody looks at, in memory. Collected only while somebody does.

A span processor among others, which is given a span once that has ended; while nobody looks it looks at nothing. What
is recorded at all is decided where a trace begins (GREENROOM_TRACE_SAMPLE).
"""

from collections import OrderedDict, deque
from collections.abc import Callable

import trio
from opentelemetry.context import Context
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor
from opentelemetry.sdk.trace import Span as RecordedSpan

from greenroom.config.telemetry.tracing import ENTITY
from greenroom.supervisors.admin.told import Span

LOOKED_AT_S = 10.0  # so long after the last look spans are collected
ENTITIES_MAX = 64  # that are looked at
SPANS_MAX = 50  # of one entity


class Traces(SpanProcessor):
    """Of one node."""

    def __init__(self, clock: Callable[[], float] = trio.current_time) -> None:
        """`clock`: seconds, of any clock that goes on."""
        self._clock = clock
        self._spans: OrderedDict[str, deque[Span]] = OrderedDict()
        self._until: dict[str, float] = {}

    def of(self, entity: str) -> list[Span]:
        """Its last spans, the newest first; from now on they are collected, for a while."""
        now = self._clock()
        for name in [name for name, until in self._until.items() if until < now]:
            self._forget(name)
        self._until[entity] = now + LOOKED_AT_S
        spans = self._spans.setdefault(entity, deque(maxlen=SPANS_MAX))
        self._spans.move_to_end(entity)
        if len(self._spans) > ENTITIES_MAX:
            self._forget(next(iter(self._spans)))
        return list(reversed(spans))

    def _forget(self, entity: str) -> None:
        self._until.pop(entity, None)
        self._spans.pop(entity, None)

    def on_start(self, span: RecordedSpan, parent_context: Context | None = None) -> None:
        """See SpanProcessor."""

    def on_end(self, span: ReadableSpan) -> None:
        """See SpanProcessor."""
        if not self._spans or span.attributes is None:
            return
        entity = span.attributes.get(ENTITY)
        found = self._spans.get(entity) if isinstance(entity, str) else None
        if isinstance(entity, str) and found is not None and self._until[entity] < self._clock():
            self._forget(entity)
            return
        if found is None or span.context is None or span.start_time is None or span.end_time is None:
            return
        found.append(
            Span(
                trace=f"{span.context.trace_id:032x}",
                name=span.name,
                at_ms=span.start_time // 1_000_000,
                seconds=round((span.end_time - span.start_time) / 1e9, 6),
                outcome=str(span.attributes.get("greenroom.outcome", "")),
            )
        )

    def shutdown(self) -> None:
        """See SpanProcessor."""

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """See SpanProcessor."""
        return True
