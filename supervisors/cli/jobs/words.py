"""A job and a queue in words, line by line, of what their views say. Pure."""

import json
from typing import Any

from greenroom.supervisors.cli.jobs.times import lasting, moment_of

Lines = list[tuple[str, str]]
WORKERS_SHOWN = 10


def job_words(view: dict[str, Any], why: str, now_ms: float) -> Lines:
    """`why` it waits; "": it does not, or it is not known."""
    lines: Lines = [
        ("job", f"{view['job']} of the queue {view['queue']}{_keyed(view)}"),
        ("state", view["state"] + (f": {view['reason']}" if view.get("reason") else "")),
    ]
    if why:
        lines.append(("waits", why))
    lines.append(("added", f"{moment_of(view['added_ms'])}, {lasting(now_ms - view['added_ms'])} ago{_by(view)}"))
    if view["ended_ms"] is None and view["due_ms"] > now_ms:
        lines.append(("due", f"{moment_of(view['due_ms'])}, in {lasting(view['due_ms'] - now_ms)}"))
    lines.append(("attempts", _attempts(view)))
    if view["worker"]:
        since = f" since {moment_of(view['started_ms'])}" if view["started_ms"] is not None else ""
        lines.append(("worker", f"{view['worker']}{since}"))
    if view["share"] is not None:
        lines.append(("progress", f"{view['share']:.0%} {view['note']}".strip()))
    if view["ended_ms"] is not None:
        lines.append(("ended", f"{moment_of(view['ended_ms'])}, {lasting(now_ms - view['ended_ms'])} ago"))
    lines.append(("arguments", json.dumps(view["arguments"], ensure_ascii=False)))
    if view["result"] is not None:
        lines.append(("result", json.dumps(view["result"], ensure_ascii=False)))
    lines += [("log" if not number else "", line) for number, line in enumerate(view["log"])]
    for error in view["errors"]:
        lines.append(("error", _error(error)))
        lines += [("", line) for line in str(error.get("trace", "")).splitlines()]
    return lines


def _keyed(view: dict[str, Any]) -> str:
    return f", key {view['partition']}" if view["partition"] else ""


def _by(view: dict[str, Any]) -> str:
    return f", for {view['by']}" if view["by"] else ""


def _attempts(view: dict[str, Any]) -> str:
    failed = f"{view['attempts']} of {view['attempts_max']} have failed"
    under_way = f"the {view['attempt']}. is under way, " if view["attempt"] else ""
    return under_way + failed + (f", {view['lost']} workers ended with it in hand" if view["lost"] else "")


def _error(error: dict[str, Any]) -> str:
    at = moment_of(error["at_ms"]) if "at_ms" in error else ""
    who = f"attempt {error['attempt']}" if "attempt" in error else ""
    worker = f"by {error['worker']}" if error.get("worker") else ""
    return f"{' '.join(part for part in (at, who, worker) if part)}: {error.get('error', '')}"


def queue_words(view: dict[str, Any], now_ms: float) -> Lines:
    """How it stands, and what holds its jobs up."""
    lines: Lines = [
        ("jobs", f"{view['unfinished']} not finished"),
        ("", f"{view['waiting']} could begin, {view['active']} are under way"),
        ("", f"{view['delayed']} come later, {view['retrying']} are tried again later"),
    ]
    if view["waiting"]:
        lines.append(("oldest", f"has waited for {lasting(view['oldest_ms'])}"))
    lines.append(("why", waits_for(view)))
    lines.append(("limits", _limits(view["limits"])))
    lines.append(("workers", f"{view['workers']} have jobs, {view['workers_waiting']} wait for some"))
    lines += [("", f"{name}: {count}") for name, count in list(view["holding"].items())[:WORKERS_SHOWN]]
    return lines


def waits_for(view: dict[str, Any]) -> str:
    """What holds those up that could begin."""
    if view["paused"]:
        until_ms = view["paused_until_ms"]
        until = f" until {moment_of(until_ms)}" if until_ms is not None else ", until somebody resumes it"
        return f"it is paused{until}" + (f": {view['paused_reason']}" if view["paused_reason"] else "")
    if not view["waiting"]:
        return "nothing waits"
    most = view["limits"].get("concurrency")
    if most is not None and view["active"] >= most:
        return f"its limit: {view['active']} of {most} are under way"
    if not view["workers"] and not view["workers_waiting"]:
        return "nobody works on it"
    if view["workers_waiting"]:
        return "workers wait: a rate or a limit of keys, or none knows these classes (`greenroom jobs show ID` says it)"
    return "no worker is free"


def _limits(limits: dict[str, Any]) -> str:
    return ", ".join(f"{name} {_limit(value)}" for name, value in limits.items() if value is not None) or "none"


def _limit(value: Any) -> str:
    if isinstance(value, dict) and "n" in value:
        return f"{value['n']} in {value.get('per_s', 1):g} s"
    if isinstance(value, dict):
        return ", ".join(f"{key or 'without a key'}: {one}" for key, one in value.items()) or "none"
    return str(value)
