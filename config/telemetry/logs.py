"""Logs: one structured line per thing that happened, on stderr; pretty on a terminal, JSON lines otherwise.

Ours come through structlog, those of hypercorn, alembic and asyncio through stdlib logging; both end in the same steps:
what is bound to the task, the trace, the time, the redaction, one renderer. Every line carries `event`, `level`, `at`
and `source`, and inside a traced call `trace_id` and `span_id`. The source is the name given to `get_logger` of either,
`root` where none was given. Nodes that one `serve` has started share
their stderr, so each line of theirs bears a `node_number`.

A log that can't be written (the terminal is gone, the disk is full) is dropped: logging never fails its caller. Who
serves has a thread write them (`logs_aside`), so that it does not hold its caller up either.
"""

import json
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final, TextIO, cast

import structlog
from opentelemetry import trace
from structlog.contextvars import bound_contextvars
from structlog.typing import EventDict, Processor

from greenroom.config.limits import LogConfig
from greenroom.config.telemetry.log_outlet import Outlet
from greenroom.config.telemetry.redaction import redact
from greenroom.config.telemetry.throttled_log import ThrottledLog

__all__ = ["ThrottledLog", "bind", "configure_logs", "dropped_lines", "log_stream", "logs_aside"]

# Others' logs that speak of every request or statement: only what is wrong is of use.
_QUIET: Final = ("alembic", "asyncio", "hypercorn.access", "sqlalchemy", "urllib3")

# `with bind(node=3, entity="room:lobby"):` puts the values on every line logged inside, by this task and by those it
# starts there. A context manager on purpose: what is bound ends with the block.
bind = bound_contextvars


_current: "_Sink | None" = None  # of the last `configure_logs`


def configure_logs(config: LogConfig, stream: TextIO | None = None, *, node_number: int | None = None) -> None:
    """Send all logs of this process to `stream` (stderr unless given). The last call wins.

    `node_number`: of a node that shares its stream with others; every line bears it.
    """
    global _current
    _current = _Sink(stream or sys.stderr)
    sink = cast(TextIO, _current)
    pretty = config.format == "pretty" or (config.format == "auto" and sink.isatty())
    level = logging.getLevelNamesMapping()[config.level.upper()]
    steps: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        *([_add_node_number(node_number)] if node_number is not None else ()),
        structlog.processors.add_log_level,
        _add_trace,
        structlog.processors.TimeStamper(fmt="%H:%M:%S.%f" if pretty else "iso", utc=not pretty, key="at"),
        structlog.processors.StackInfoRenderer(),
        structlog.processors.format_exc_info,  # before the redaction: a traceback may quote a secret
    ]
    ending: list[Processor] = [redact, _console(sink.isatty()) if pretty else _to_json]
    structlog.configure(
        processors=[_add_source, *steps, *ending],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=lambda *names: _NamedLogger(sink, *names),
        cache_logger_on_first_use=False,  # so that loggers made at import obey a later configuration
    )
    handler = logging.StreamHandler(sink)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[_add_record_source, *steps],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *ending],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name in _QUIET:
        logging.getLogger(name).setLevel(max(level, logging.WARNING))
    logging.captureWarnings(True)


@contextmanager
def logs_aside() -> Iterator[None]:
    """Inside, a thread writes what is logged, so that no reader can hold up who logs. For who serves; once a process.

    Nothing changes where the logs go into no descriptor.
    """
    sink = _current
    descriptor = sink.descriptor() if sink is not None else None
    if sink is None or descriptor is None:
        yield
        return
    sink.outlet = outlet = Outlet(descriptor)
    try:
        with outlet.writing():
            yield
    finally:
        if outlet.emptied:  # else what comes now is dropped too, for it would wait behind a reader who does not read
            sink.outlet, sink.dropped = None, sink.dropped + outlet.dropped


def dropped_lines() -> int:
    """How many lines of this process's logs were not written, since nobody took them."""
    if _current is None:
        return 0
    return _current.dropped + (_current.outlet.dropped if _current.outlet is not None else 0)


def log_stream() -> TextIO:
    """Where the logs go, for others that write there."""
    return cast(TextIO, _current) if _current is not None else sys.stderr


class _NamedLogger(structlog.WriteLogger):
    """Writes to one stream, and keeps the name given to `structlog.get_logger`, which structlog itself drops."""

    def __init__(self, stream: TextIO, source: str = "root") -> None:
        super().__init__(stream)
        self.source = source


def _add_source(logger: _NamedLogger, _method: str, event: EventDict) -> EventDict:
    event.setdefault("source", logger.source)
    return event


def _add_node_number(node_number: int) -> Processor:
    def add(_logger: object, _method: str, event: EventDict) -> EventDict:
        event["node_number"] = node_number
        return event

    return add


def _add_record_source(_logger: object, _method: str, event: EventDict) -> EventDict:
    event["source"] = event["_record"].name
    return event


def _add_trace(_logger: object, _method: str, event: EventDict) -> EventDict:
    context = trace.get_current_span().get_span_context()
    if context.is_valid:
        event["trace_id"] = f"{context.trace_id:032x}"
        event["span_id"] = f"{context.span_id:016x}"
    return event


def _console(colors: bool) -> Processor:
    return structlog.dev.ConsoleRenderer(
        colors=colors, timestamp_key="at", exception_formatter=structlog.dev.plain_traceback, pad_event_to=0
    )


def _to_json(_logger: object, _method: str, event: EventDict) -> str:
    first = {name: event.pop(name) for name in ("at", "level", "event") if name in event}
    return json.dumps({**first, **event})  # ASCII: valid whatever encoding the stream has


class _Sink:
    """A text stream whose failures stay here. Escapes what its encoding lacks, drops and counts what it won't take."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self.outlet: Outlet | None = None  # takes the lines instead of the stream: see `logs_aside`
        self.dropped = 0  # lines

    def descriptor(self) -> int | None:
        try:
            return self._stream.fileno()
        except (OSError, ValueError, AttributeError):
            return None

    def write(self, text: str) -> int:
        if self.outlet is not None:
            self.outlet.put(text.encode(self._stream.encoding or "utf-8", "backslashreplace"))
            return len(text)
        try:
            return self._stream.write(text)
        except UnicodeEncodeError:
            return self.write(text.encode("ascii", "backslashreplace").decode("ascii"))
        except (OSError, ValueError):  # ValueError: the stream was closed
            self.dropped += 1
            return 0

    def flush(self) -> None:
        if self.outlet is not None:
            return
        try:
            self._stream.flush()
        except (OSError, ValueError):
            return

    def isatty(self) -> bool:
        try:
            return self._stream.isatty()
        except ValueError:
            return False

    def __getattr__(self, name: str) -> Any:  # the rest of a TextIO, as stdlib and structlog may ask for
        return getattr(self._stream, name)
