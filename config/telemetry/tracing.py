"""Tracing: spans that cost next to nothing unless their trace is recorded.

Whether a trace is recorded is decided once, where it begins (`span` without a parent, by `sample`), and travels with
it in `traceparent`, the W3C form (https://www.w3.org/TR/trace-context/), which envelopes carry from hop to hop. An
unrecorded call has no parent to carry, so `child` on its later hops is one comparison.

`traceparent` from a client lets it choose that a trace is recorded: an edge should drop it unless it trusts the peer.
"""

import random
import re
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Final

from opentelemetry import trace
from opentelemetry.trace import INVALID_SPAN, NonRecordingSpan, Span, SpanContext, TraceFlags, Tracer

ENTITY: Final = "greenroom.entity"  # the attribute of a span that names its entity
_NO_SPAN: Final = nullcontext(INVALID_SPAN)
_TRACEPARENT: Final = re.compile(r"(?!ff)[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})")


def traceparent() -> str | None:
    """The current span for the next hop, as `00-<trace>-<span>-<flags>`; None outside a trace."""
    span = trace.get_current_span()
    return None if span is INVALID_SPAN else traceparent_of(span)


def traceparent_of(span: Span) -> str | None:
    """The same of any span."""
    context = span.get_span_context()
    if not context.is_valid:
        return None
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags & 1:02x}"


def parse_traceparent(text: str) -> SpanContext | None:
    """The span that `text` names; None when it is malformed, which a peer's text may be: a trace is then begun anew."""
    match = _TRACEPARENT.fullmatch(text)
    if match is None:
        return None
    context = SpanContext(
        trace_id=int(match[1], 16),
        span_id=int(match[2], 16),
        is_remote=True,
        trace_flags=TraceFlags(int(match[3], 16) & TraceFlags.SAMPLED),
    )
    return context if context.is_valid else None


def below(parent: str) -> AbstractContextManager[Span]:
    """Where nothing is recorded, but what others trace inside is to be below `parent`, and logs carry its ids."""
    remote = parse_traceparent(parent)
    return _NO_SPAN if remote is None else trace.use_span(NonRecordingSpan(remote))


class Tracing:
    """Opens spans. `sample` is the share (0..1) of new traces that is recorded, `chance` a source of 0 <= x < 1."""

    def __init__(self, tracer: Tracer, *, sample: float, chance: Callable[[], float] = random.random) -> None:
        self._tracer = tracer
        self._sample = sample
        self._chance = chance

    def span(self, name: str, parent: str | None = None) -> AbstractContextManager[Span]:
        """For the edge, where calls come in: under `parent` or the current span, or else perhaps a trace of its own.

        The block's exception is recorded on the span and goes on. Names are few and fixed: never put a key in one.
        """
        if parent is None and trace.get_current_span() is INVALID_SPAN:
            if self._sample <= 0 or self._chance() >= self._sample:
                return _NO_SPAN
            return self._tracer.start_as_current_span(name)
        return self._under(name, parent, begin=True)

    def begin(self, name: str, parent: str | None = None) -> Span | None:
        """As `span`, for a call that is answered later, elsewhere: a span that somebody else must `end`.

        None when the trace is not recorded, which costs a comparison.
        """
        if parent is not None:
            remote = parse_traceparent(parent)
            if remote is not None:
                if not remote.trace_flags.sampled:
                    return None
                return self._tracer.start_span(name, context=trace.set_span_in_context(NonRecordingSpan(remote)))
        if self._sample <= 0 or self._chance() >= self._sample:
            return None
        return self._tracer.start_span(name)

    def child(
        self, name: str, parent: str | None = None, attributes: Mapping[str, str] | None = None
    ) -> AbstractContextManager[Span]:
        """For hops within: under `parent` or the current span; nothing when there is neither."""
        if parent is None and trace.get_current_span() is INVALID_SPAN:
            return _NO_SPAN
        return self._under(name, parent, begin=False, attributes=attributes)

    def _under(
        self, name: str, parent: str | None, *, begin: bool, attributes: Mapping[str, str] | None = None
    ) -> AbstractContextManager[Span]:
        if parent is None:
            context = trace.get_current_span().get_span_context()
            if not context.trace_flags.sampled:
                return _NO_SPAN  # the caller's span stays the current one, and logs keep its ids
            return self._tracer.start_as_current_span(name, attributes=attributes)
        remote = parse_traceparent(parent)
        if remote is None:
            return self.span(name) if begin else self.child(name, attributes=attributes)
        far = NonRecordingSpan(remote)
        if not remote.trace_flags.sampled:
            return trace.use_span(far)  # not recorded, but logs carry the caller's ids and so does the next hop
        return self._tracer.start_as_current_span(name, context=trace.set_span_in_context(far), attributes=attributes)
