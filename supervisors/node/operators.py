"""What operators look at and do, over this node and all others."""

from collections.abc import Callable

from greenroom.actors.model.kinds import Kinds
from greenroom.actors.personal.redaction import shape_of
from greenroom.store.journal.dead_letters_postgres import PostgresDeadLetters
from greenroom.store.journal.journal_postgres import PostgresJournal
from greenroom.store.postgres.pool import Pool
from greenroom.supervisors.admin.asked import Ask, Asked
from greenroom.supervisors.admin.desk import Desk
from greenroom.supervisors.admin.jobs.desk import JobDesk
from greenroom.supervisors.admin.local import Local
from greenroom.supervisors.admin.tables import Tables
from greenroom.supervisors.admin.view_desk import ViewDesk
from greenroom.supervisors.cluster.membership import Membership
from greenroom.supervisors.kernel.kernel import Kernel
from greenroom.supervisors.node.jobs import NodeJobs
from greenroom.supervisors.node.views import NodeViews


def desk_of(
    local: Local,
    ask: Ask,
    *,
    kernel: Kernel,
    membership: Membership,
    pool: Pool,
    journal: PostgresJournal,
    letters: PostgresDeadLetters,
    kinds: Kinds,
    views: NodeViews,
    jobs: NodeJobs,
    clock: Callable[[], float],
) -> Desk:
    """`ask` puts questions to other nodes, `local` answers those about this one."""
    asked = Asked(local, ask)
    return Desk(
        fetch=pool.fetch,
        journal=journal,
        letters=letters,
        kinds=kinds,
        members=membership,
        asked=asked,
        views=ViewDesk(Tables(pool, lambda: views.wanted), members=membership, asked=asked, clock=clock),
        jobs=JobDesk(
            store=jobs.store,
            lists=jobs.lists,
            jobs=jobs.installed,
            kinds=kinds,
            ask=kernel.router.ask,
            members=membership,
            asked=asked,
            clock=clock,
        ),
        shapes={one.tag: shape_of(one.job) for one in jobs.installed},
        clock=clock,
    )
