"""What goes on in the background of a node, under a supervisor of its own: a crash of one duty is nobody else's."""

from collections.abc import Callable, Sequence

import trio

from greenroom.actors.model.kinds import Kinds
from greenroom.store.journal.dead_letters_postgres import PostgresDeadLetters
from greenroom.store.journal.journal_postgres import PostgresJournal
from greenroom.store.journal.keep import Keep
from greenroom.store.journal.retention import Retention
from greenroom.supervisors.duties.dead_letter_retries import DeadLetterRetries
from greenroom.supervisors.duties.dead_letter_watch import DeadLetterWatch
from greenroom.supervisors.duties.folding import Folding
from greenroom.supervisors.duties.forgetting import Forgetting
from greenroom.supervisors.duties.key_set_watch import KeySetWatch
from greenroom.supervisors.duties.lineage_watch import LineageWatch
from greenroom.supervisors.kernel.kernel import Kernel
from greenroom.supervisors.supervision.backoff import new_backoff
from greenroom.supervisors.supervision.strategy import ChildSpec, RestartIntensity, Strategy, SupervisorSpec
from greenroom.supervisors.supervision.supervise import supervise


class Duties:
    """The kernel's duties, and those that only a node with a real store has."""

    def __init__(
        self,
        kernel: Kernel,
        journal: PostgresJournal,
        letters: PostgresDeadLetters,
        kinds: Kinds,
        clock: Callable[[], float],
        *,
        key_set: KeySetWatch | None = None,
        views: Sequence[ChildSpec] = (),
        jobs: Sequence[ChildSpec] = (),
        forgetting: Forgetting,
        history_changed: Callable[[str], None] | None = None,
    ) -> None:
        """`history_changed`: who hears of the database's beside entities."""

        def changed(lineage: str) -> None:
            kernel.system.lineage_changed(lineage)
            if history_changed is not None:
                history_changed(lineage)

        keep = {
            kind.name: Keep(
                events=kind.limits.history_events,
                seconds=kind.limits.history_s,
                command_ids_s=kind.limits.command_ids_s,
            )
            for kind in kinds
            if kind.actor.durable
        }
        lineage_watch = LineageWatch(journal.lineage, changed)
        retries = DeadLetterRetries(kinds=kinds, kernel=kernel, letters=letters)
        letter_watch = DeadLetterWatch(letters, kernel.instruments)
        folding = Folding(kinds=kinds, journal=journal, world=kernel.world, turn=kernel.turn)
        retention = Retention(
            journal,
            keep,
            fold=folding.fold,
            now=clock,
            is_present=kernel.is_present,
            shards=kernel.ownership.shards,
        )
        keys = (ChildSpec(name="key_set", start=key_set.run, shutdown_s=1.0),) if key_set is not None else ()
        self._spec = SupervisorSpec(
            name="duties",
            strategy=Strategy.ONE_FOR_ONE,  # none knows of the others
            intensity=RestartIntensity(restarts_max=10, window_s=10.0),
            children=(
                *kernel.duties,
                ChildSpec(name="lineage_watch", start=lineage_watch.run, shutdown_s=1.0),
                ChildSpec(name="dead_letter_retries", start=retries.run, shutdown_s=2.0),
                ChildSpec(name="dead_letter_watch", start=letter_watch.run, shutdown_s=2.0),
                ChildSpec(name="forgetting", start=forgetting.run, shutdown_s=1.0),
                ChildSpec(name="retention", start=retention.run, shutdown_s=2.0),
                *keys,
                *views,
                *jobs,
            ),
        )

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Until cancelled. Raises: RestartIntensityReached when they crash too often."""
        await supervise(self._spec, task_status=task_status, backoff=new_backoff)
