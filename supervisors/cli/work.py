"""`greenroom work media:8 mail:20`: a process that only works on jobs, which it takes from a server over HTTP."""

import secrets
import sys
import time
from functools import partial
from typing import Annotated

import trio
import typer

from greenroom.actors.jobs.installed import Jobs
from greenroom.actors.life.turn import Turn
from greenroom.actors.model.kinds import Kinds
from greenroom.config.settings import Settings, load_settings
from greenroom.config.settings.forms import slots_by_queue
from greenroom.config.telemetry.exporters import Telemetry
from greenroom.config.telemetry.logs import configure_logs, logs_aside
from greenroom.store.own.data_folder import DataFolder
from greenroom.supervisors.cli.chosen.address import checked_url, is_foreign, is_in_the_clear, server_url
from greenroom.supervisors.cli.chosen.kinds import installed_jobs, installed_kinds, require_job_keys
from greenroom.supervisors.cli.chosen.media_folder import require_media_folder
from greenroom.supervisors.cli.chosen.tokens import token_config
from greenroom.supervisors.cli.serving.clock import BootClock
from greenroom.supervisors.cli.terminal.console import say
from greenroom.supervisors.cli.terminal.plainly import BAD_USAGE, Trouble, told_plainly
from greenroom.supervisors.jobs.over_http import OverHttp
from greenroom.supervisors.jobs.reach.outside import Outside
from greenroom.supervisors.jobs.rescue import this_worker
from greenroom.supervisors.jobs.workers import Workers
from greenroom.supervisors.supervision.backoff import new_backoff
from greenroom.supervisors.supervision.signals import drain_on_signal
from greenroom.supervisors.supervision.watchdog import Watchdog
from greenroom.transports.auth.signer import TokenSigner

TOKEN_S = 3600.0  # of one that we sign ourselves; another follows
USER = "greenroom-work"


def work(
    queues: Annotated[list[str], typer.Argument(metavar="QUEUE:NUMBER", help="And how many of its jobs run at once.")],
    server: Annotated[
        str | None, typer.Option(metavar="URL", help="Where the server listens; as the settings say.")
    ] = None,
) -> None:
    """Work on jobs of these queues until SIGINT or SIGTERM, then end those that run, or give them back.

    Takes them from the server with the token GREENROOM_WORK_TOKEN, which needs the role service; without it, with one
    signed by GREENROOM_AUTH_SECRET. Knows the jobs that GREENROOM_ENTITIES names, from the folder one stands in.
    """
    with told_plainly():
        try:
            slots = slots_by_queue(",".join(queues))
        except ValueError:
            raise Trouble(f"{' '.join(queues)}: must be queue:number, as in media:8", status=BAD_USAGE) from None
        assert isinstance(slots, dict)
        settings = load_settings()
        configure_logs(settings.log)
        kinds = installed_kinds(settings)  # finds what lies in the folder one stands in
        jobs = installed_jobs(settings)
        require_job_keys(jobs)
        for queue in slots:
            if not jobs.of_queue(queue):
                raise Trouble(f"GREENROOM_ENTITIES names no job of the queue {queue!r}", status=BAD_USAGE)
        require_media_folder(settings)
        url = checked_url(server) if server is not None else server_url(settings)
        if is_in_the_clear(url):
            sys.stderr.write("greenroom: the token goes to another host by http://: who is between can read it\n")
        asking = OverHttp(url, _token(settings, server))
        with logs_aside():
            trio.run(_run, settings, slots, jobs, kinds, asking, clock=BootClock(), strict_exception_groups=True)


def _token(settings: Settings, server: str | None) -> "partial[str]":
    """For that server; None: the one of these settings. Raises: Trouble."""
    if settings.work_token is not None:
        token = settings.work_token.get_secret_value().strip()
        if not token or not token.isascii() or not token.isprintable() or " " in token:
            raise Trouble("GREENROOM_WORK_TOKEN: must be a token, without spaces in it", status=BAD_USAGE)
        return partial(str, token)
    folder = DataFolder(settings.data_dir) if settings.data_dir.is_dir() else None
    config = None if is_foreign(server) else token_config(settings, folder)
    if config is None or config.secret is None:
        raise Trouble("GREENROOM_WORK_TOKEN: must be set, a token with the role service", status=BAD_USAGE)
    return partial(TokenSigner(config, time.time).connection_token, USER, roles=["service"], ttl_s=TOKEN_S)


async def _run(settings: Settings, slots: dict[str, int], jobs: Jobs, kinds: Kinds, asking: OverHttp) -> None:
    turn = Turn()
    telemetry = Telemetry(settings.trace) if settings.trace.exporter != "none" else None
    drain = trio.Event()
    stuck_s = settings.supervision.handler_stuck_s
    watchdog = Watchdog(turn, stuck_s=stuck_s, slow_s=min(0.25, stuck_s), sample_s=min(0.05, stuck_s))
    workers = Workers(
        slots,
        jobs,
        name=secrets.token_hex(8),
        ask=asking,
        turn=turn,
        new_backoff=new_backoff,
        process=this_worker(),
        reach=Outside(kinds, asking),
        tracing=telemetry.tracing if telemetry is not None else None,
    )
    async with trio.open_nursery() as nursery:  # owner: the process
        await nursery.start(drain_on_signal, drain)
        await nursery.start(watchdog.run)
        await nursery.start(workers.run)
        nursery.start_soon(_end_when_denied, asking)
        say(f"Working on {', '.join(f'{queue} ({number} at once)' for queue, number in slots.items())}")
        await drain.wait()
        await workers.stop(settings.work_stop_s)
        await asking.aclose()
        nursery.cancel_scope.cancel()
    if telemetry is not None:
        await trio.to_thread.run_sync(telemetry.close)


async def _end_when_denied(asking: OverHttp) -> None:
    """Raises: Trouble."""
    await asking.denied.wait()
    raise Trouble(
        f"the server does not let this worker in: {asking.denied_why} (GREENROOM_WORK_TOKEN must be a token of that "
        "server with the role service, and --server its URL)"
    )
