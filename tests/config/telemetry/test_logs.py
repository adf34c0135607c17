import ast
import io
import json
import logging
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog
import trio

from greenroom.config.limits import LogConfig, TraceConfig
from greenroom.config.telemetry.exporters import Telemetry
from greenroom.config.telemetry.logs import bind, configure_logs

PACKAGES = ("config", "store", "actors", "transports", "supervisors")
early = structlog.get_logger("early")  # made at import, before any configuration, as modules do


@pytest.fixture(autouse=True)
def _restore() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    for name in ("asyncio", "hypercorn.access", "sqlalchemy", "urllib3"):
        logging.getLogger(name).setLevel(logging.NOTSET)
    logging.captureWarnings(False)
    structlog.reset_defaults()


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def configured(level: Any = "info", format: Any = "json") -> io.StringIO:
    stream = io.StringIO()
    configure_logs(LogConfig(level=level, format=format), stream)
    return stream


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_one_json_line_an_event_with_source_level_and_time() -> None:
    stream = configured()
    early.warning("child_restarted", child="hub\nx", restarts=2)
    (line,) = lines(stream)
    assert line.pop("at").endswith("Z")
    assert line == {
        "event": "child_restarted",
        "level": "warning",
        "source": "early",
        "child": "hub\nx",
        "restarts": 2,
    }


def test_every_line_of_a_node_among_several_bears_its_number() -> None:
    stream = io.StringIO()
    configure_logs(LogConfig(level="info", format="json"), stream, node_number=2)
    early.info("ours")
    logging.getLogger("hypercorn.error").warning("others'")
    assert [line["node_number"] for line in lines(stream)] == [2, 2]


def test_a_nameless_logger_is_the_root_and_a_source_of_ones_own_stays() -> None:
    stream = configured()
    structlog.get_logger().info("nameless")
    structlog.get_logger("early", source="late").info("both")
    assert [line["source"] for line in lines(stream)] == ["root", "late"]


def test_every_logger_of_ours_has_a_name() -> None:
    """A line says which part of the node wrote it."""
    root = Path(__file__).parents[3]
    names = {
        f"{path.relative_to(root)}:{call.lineno}": [ast.unparse(argument) for argument in call.args]
        for package in PACKAGES
        for path in (root / package).rglob("*.py")
        if "get_logger" in (text := path.read_text(encoding="utf-8"))
        for call in ast.walk(ast.parse(text))
        if isinstance(call, ast.Call) and ast.unparse(call.func) == "structlog.get_logger"
    }
    assert len(names) > 30
    assert {place: given for place, given in names.items() if not given or not given[0].startswith("'greenroom.")} == {}


def test_auto_is_pretty_on_a_terminal_and_json_elsewhere() -> None:
    terminal, pipe = Terminal(), io.StringIO()
    configure_logs(LogConfig(), terminal)
    early.info("hello", room="lobby")
    configure_logs(LogConfig(), pipe)
    early.info("hello", room="lobby")
    assert "hello" in terminal.getvalue() and not terminal.getvalue().startswith("{")
    assert lines(pipe)[0]["room"] == "lobby"


def test_pretty_without_a_terminal_has_no_colours() -> None:
    stream = configured(format="pretty")
    early.info("hello", room="lobby")
    assert "\x1b" not in stream.getvalue() and "room=lobby" in stream.getvalue()


def test_the_level_holds_for_both_worlds_and_noisy_libraries_are_quiet() -> None:
    stream = configured(level="info")
    early.debug("no")
    logging.getLogger("anything").debug("no")
    logging.getLogger("hypercorn.access").info("no")
    logging.getLogger("hypercorn.access").warning("yes")
    assert [line["event"] for line in lines(stream)] == ["yes"]


def test_stdlib_logs_and_warnings_come_out_the_same_and_redacted() -> None:
    stream = configured()
    logging.getLogger("hypercorn.error").info("Running on %s", "http://x/?token=hunter2")
    logging.getLogger("asyncio").error("failed", exc_info=ValueError("postgresql://a:hunter2@b/c"))
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn("careful", stacklevel=1)
    first, second, third = lines(stream)
    assert (first["source"], first["level"]) == ("hypercorn.error", "info")
    assert "ValueError" in second["exception"] and "careful" in third["event"]
    assert "hunter2" not in stream.getvalue()


def test_a_traceback_is_in_the_line_without_its_secrets() -> None:
    stream = configured()
    try:
        raise RuntimeError("password=hunter2")
    except RuntimeError:
        early.exception("handler_failed", token="hunter2")
    (line,) = lines(stream)
    assert "Traceback" in line["exception"] and "hunter2" not in stream.getvalue()


async def test_what_is_bound_ends_with_its_block_and_reaches_tasks_started_inside() -> None:
    stream = configured()

    async def child() -> None:
        early.info("child")

    async with trio.open_nursery() as nursery:
        with bind(entity="room:lobby"):
            early.info("inside")
            nursery.start_soon(child)
        early.info("outside")
    bound = {line["event"]: line.get("entity") for line in lines(stream)}
    assert bound == {"inside": "room:lobby", "child": "room:lobby", "outside": None}


def test_lines_inside_a_span_carry_its_ids() -> None:
    stream, telemetry = configured(), Telemetry(TraceConfig(sample=1.0))
    with telemetry.span("command") as span:
        early.info("inside")
        logging.getLogger("library").info("inside")
    early.info("outside")
    context = span.get_span_context()
    ids = (f"{context.trace_id:032x}", f"{context.span_id:016x}")
    assert [(line.get("trace_id"), line.get("span_id")) for line in lines(stream)] == [ids, ids, (None, None)]


def test_a_stream_that_fails_does_not_fail_the_caller() -> None:
    class Gone(io.StringIO):
        def write(self, text: str) -> int:
            raise BrokenPipeError

    for stream in (Gone(), closed := io.StringIO()):
        closed.close()
        configure_logs(LogConfig(format="json"), stream)
        early.error("nobody hears")
        logging.getLogger("library").error("nobody hears")


def test_what_the_streams_encoding_lacks_is_escaped() -> None:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="ascii", write_through=True)
    configure_logs(LogConfig(format="pretty"), stream)
    early.info("grüße", text="💬 \udcff")
    assert b"gr\\xfc\\xdfe" in raw.getvalue()
