"""The command line `greenroom`, put together: a file a command, beside this one.

Exit status: 0 on success, 2 for bad usage or settings (naming the setting), 1 otherwise.
"""

import os
import sys

import typer

from greenroom.supervisors.cli.dead_letters import letters_app
from greenroom.supervisors.cli.demo.app import demo_app
from greenroom.supervisors.cli.entities import show_entities
from greenroom.supervisors.cli.explain import explain
from greenroom.supervisors.cli.forget import forget
from greenroom.supervisors.cli.generation import new_generation
from greenroom.supervisors.cli.jobs.jobs import jobs_app
from greenroom.supervisors.cli.jobs.queues import queues_app
from greenroom.supervisors.cli.migrate import migrate_schema
from greenroom.supervisors.cli.new import new
from greenroom.supervisors.cli.sagas import sagas_app
from greenroom.supervisors.cli.schedules import schedules_app
from greenroom.supervisors.cli.schema import show_schema
from greenroom.supervisors.cli.serve import serve
from greenroom.supervisors.cli.status import show_status
from greenroom.supervisors.cli.token import print_token
from greenroom.supervisors.cli.views import views_app
from greenroom.supervisors.cli.work import work

app = typer.Typer(
    name="greenroom",
    help="A realtime backend of supervised actors.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,  # its tracebacks may show values of variables, secrets among them
)
app.command("serve")(serve)
app.command("work")(work)
app.command("new")(new)
app.command("token")(print_token)
app.command("migrate")(migrate_schema)
app.command("new-generation")(new_generation)
app.command("status")(show_status)
app.command("explain")(explain)
app.command("forget")(forget)
app.command("entities")(show_entities)
app.command("schema")(show_schema)
app.add_typer(jobs_app, name="jobs")
app.add_typer(queues_app, name="queues")
app.add_typer(letters_app, name="dead-letters")
app.add_typer(views_app, name="views")
app.add_typer(schedules_app, name="schedules")
app.add_typer(sagas_app, name="sagas")
app.add_typer(demo_app, name="demo")


def main() -> None:
    """What was typed."""
    for descriptor in range(3):  # one that was closed (`>&-`) would else be the next socket's number
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
    sys.stdout = sys.stdout or open(1, "w", closefd=False)  # noqa: SIM115
    sys.stderr = sys.stderr or open(2, "w", closefd=False)  # noqa: SIM115
    app()
