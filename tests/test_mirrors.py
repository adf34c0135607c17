"""Tests mirror modules: what `store/journal/walk.py` decides is tried in `tests/store/journal/test_walk.py`.

A module that decides something, so that a branch of it can be wrong, has a test of its name in the folder of its name,
or in one below; or it stands in ELSEWHERE. Plain values, protocols and re-exports need none.
"""

import ast
from functools import cache
from pathlib import Path

import pytest

from tests.test_layers import ORDER, modules

ROOT = Path(__file__).parent.parent
BRANCHES = (
    ast.If,
    ast.IfExp,
    ast.Match,
    ast.Try,
    ast.BoolOp,
    ast.Compare,
    ast.For,
    ast.AsyncFor,
    ast.While,
    ast.comprehension,
)
# A module, or a folder that is one idea (never one whose modules come and go), and the test that tries it.
ELSEWHERE = {
    "config/settings/sections.py": "config/settings/test_settings.py",
    # One suite for two implementations, each promise once.
    "store/jobs/jobs.py": "supervisors/jobs/test_finder.py",
    "store/jobs/jobs_memory.py": "supervisors/jobs/test_finder.py",
    "store/journal/dead_letters_memory.py": "store/journal/test_dead_letters.py",
    "store/journal/dead_letters_postgres.py": "store/journal/test_dead_letters.py",
    "store/journal/journal_memory.py": "store/journal/test_journal_agreement.py",
    "store/journal/journal_postgres.py": "store/journal/test_journal_agreement.py",
    "store/journal/consequences": "store/journal/test_journal_consequences.py",
    "store/ownership/referee_memory.py": "store/ownership/test_referee.py",
    "store/erasure": "store/erasure/test_erasing.py",
    "store/jobs": "store/jobs/test_single_jobs.py",
    "supervisors/cli/work.py": "e2e/jobs/test_work.py",
    "supervisors/jobs/child.py": "supervisors/jobs/test_processes.py",
    "supervisors/duties/forgetting.py": "store/erasure/test_erasing.py",
    "store/journal/postgres/append.py": "store/journal/test_journal.py",
    "store/journal/postgres/arrays.py": "store/journal/postgres/test_statement.py",
    "store/journal/postgres/claim.py": "store/journal/test_journal.py",
    "store/journal/keep.py": "store/journal/keeping/test_retention.py",
    "store/journal/postgres/inline.py": "store/views/test_inline.py",
    "store/journal/postgres/keeping.py": "store/journal/keeping/test_retention.py",
    "store/journal/postgres/pages.py": "store/journal/test_walk.py",
    "store/journal/postgres/probe.py": "supervisors/node/test_health.py",
    "store/journal/postgres/reads.py": "store/journal/test_journal.py",
    "store/migrations": "store/postgres/test_migrate.py",
    "supervisors/cluster/looking.py": "supervisors/cluster/test_membership_shared.py",
    "supervisors/node/draining.py": "faults/process/test_stop.py",
    "supervisors/kernel/cells/ending.py": "supervisors/kernel/cells/test_lives.py",
    "supervisors/kernel/ownership.py": "supervisors/kernel/cells/test_sureness.py",
    "store/views/memory": "store/views/test_writing.py",  # one suite runs over both, where it asks for `where`
    "store/views/shape.py": "store/views/test_tables.py",
    "store/views/wanted.py": "store/views/test_versions.py",
    "supervisors/cli/views.py": "faults/process/test_command_line_views.py",
    "store/own/programs.py": "store/own/test_folders.py",
    # An entity is one idea, with its messages, its state and its view.
    "actors/model/actor/aside.py": "supervisors/delivery/test_asides.py",
    "actors/chat/room/actor.py": "actors/chat/room/test_room.py",
    "actors/chat/room/state.py": "actors/chat/room/test_room.py",
    "actors/jobs/schedule/firing.py": "actors/jobs/schedule/test_actor.py",
    "actors/jobs/schedule/state.py": "actors/jobs/schedule/test_actor.py",
    "actors/jobs/queue/lanes.py": "actors/jobs/queue/test_order.py",
    "actors/saga/actor.py": "actors/saga/test_saga.py",
    "actors/saga/so_far.py": "actors/saga/test_saga.py",
    "actors/saga/state.py": "actors/saga/test_saga.py",
    "actors/saga/step.py": "actors/saga/test_parts.py",
    "actors/saga/view.py": "actors/saga/test_saga.py",
    # A life is told by what it lets out.
    "actors/life/async_handler.py": "supervisors/kernel/cells/test_async_handler.py",
    "actors/life/decided.py": "actors/life/test_life.py",
    "actors/life/gathered.py": "actors/life/test_life.py",
    "actors/schema/description.py": "actors/schema/test_rules.py",
    "actors/testing/played.py": "actors/testing/test_kit.py",
    "actors/testing/sessions.py": "actors/testing/test_kit.py",
    "actors/testing/world.py": "actors/testing/test_kit.py",
    "transports/auth/details.py": "transports/pages/test_pages.py",
    "transports/bus/carrier_memory.py": "transports/bus/test_carried_links.py",
    "transports/client/peer.py": "transports/client/test_session.py",
    "transports/hub/handing_out.py": "transports/hub/test_slices.py",
    "transports/http/page_server.py": "transports/http/test_handover.py",
    "transports/hub/walk.py": "transports/hub/test_slices.py",
    "transports/pages/app.py": "transports/pages/test_pages.py",
    "transports/pages/assets.py": "transports/pages/test_pages.py",
    "transports/pages/chapters.py": "transports/pages/test_pages.py",
    "transports/pages/operator_requests.py": "transports/pages/test_admin.py",
    "actors/media/cutting/limited.py": "actors/media/cutting/test_programs.py",
    "actors/media/state.py": "actors/media/test_actor.py",
    "actors/social/moderation/state.py": "actors/social/moderation/test_cases.py",
    "store/objects/in_threads.py": "store/objects/test_objects.py",
    "supervisors/node/media.py": "e2e/media/test_media.py",
    "transports/pages/described/media_documents.py": "e2e/media/test_media.py",
    "transports/pages/message_schemas.py": "transports/pages/test_openapi.py",
    "transports/sockets/live.py": "transports/http/test_live.py",
    # Commands are tried as they are typed, and what they stand on by starting and stopping processes.
    "supervisors/correspondence/attendance.py": "supervisors/correspondence/test_feeding.py",
    "supervisors/cli/chosen/database.py": "faults/process/test_command_line.py",
    "supervisors/cli/dead_letters.py": "faults/process/test_command_line.py",
    "supervisors/cli/entities.py": "faults/process/test_command_line.py",
    "supervisors/cli/migrate.py": "faults/process/test_command_line.py",
    "supervisors/cli/schema.py": "faults/process/test_command_line_schema.py",
    "supervisors/cli/serve.py": "faults/process/test_start.py",
    "supervisors/cli/serving/child.py": "supervisors/cli/serving/test_reloading.py",
    "supervisors/cli/serving/child_process.py": "supervisors/cli/serving/test_reloading.py",
    "supervisors/cli/serving/handing.py": "supervisors/cli/serving/test_reloading.py",
    "supervisors/cli/serving/restarting.py": "supervisors/cli/serving/test_reloading.py",
    "supervisors/cli/terminal/console.py": "faults/process/test_command_line.py",
    "supervisors/duties/own_servers.py": "store/own/test_servers.py",
    "supervisors/kernel/host.py": "supervisors/kernel/test_system.py",
    "supervisors/node/duties.py": "transports/test_edge.py",
    "supervisors/node/jobs.py": "e2e/jobs/test_work.py",
    "supervisors/node/membership.py": "faults/process/test_nodes_come_and_go.py",
    "supervisors/node/operators.py": "faults/process/test_looking_from_anywhere.py",
    "supervisors/node/views.py": "e2e/views/test_views.py",
    "supervisors/node/node.py": "faults/process/test_stop.py",
    "supervisors/testing/reads.py": "supervisors/testing/test_jobs.py",
    "supervisors/simulation": "simulation/test_guards.py",  # it finds what it is to find in a server with a fault
}


def decides(source: str) -> bool:
    """Does any function in it branch?"""
    return any(
        isinstance(inside, BRANCHES)
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        for inside in ast.walk(node)
    )


def mirrors(module: Path) -> list[Path]:
    """The tests of a module's own; `module` from the root."""
    return list((ROOT / "tests" / module.parent).rglob(f"test_{module.stem}.py"))


@cache
def unmirrored(package: str) -> list[Path]:
    return [
        module
        for path in modules(package)
        if not mirrors(module := path.relative_to(ROOT)) and decides(path.read_text(encoding="utf-8"))
    ]


@pytest.mark.parametrize("package", ORDER)
def test_what_decides_has_a_test_of_its_own(package: str) -> None:
    missing = [
        str(module)
        for module in unmirrored(package)
        if not any(str(one) in ELSEWHERE for one in (module, *module.parents))
    ]
    assert not missing, f"no tests/…/test_<module>.py, and not in ELSEWHERE: {missing}"


def test_the_list_of_those_tested_elsewhere_is_true() -> None:
    """Each is there, has no test of its own by now, and is tested by a file that is there."""
    without = {str(one) for package in ORDER for module in unmirrored(package) for one in (module, *module.parents)}
    assert not [module for module in ELSEWHERE if module not in without]
    assert not [test for test in ELSEWHERE.values() if not (ROOT / "tests" / test).is_file()]


def test_a_branch_is_seen_wherever_a_function_stands() -> None:
    assert decides("class A:\n    async def f(self):\n        return [1 for _ in x]\n")
    assert decides("def f():\n    def g():\n        return a and b\n")
    assert not decides("if TYPE_CHECKING:\n    import a\nx = [1 for _ in y]\ndef f() -> None:\n    g(1)\n")
