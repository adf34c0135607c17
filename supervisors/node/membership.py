"""A node among those that share its database: what it says of itself, and where it learns of them."""

from collections.abc import Callable

from greenroom.actors.model.kinds import Kinds
from greenroom.actors.schema.knowledge import digest_of, knowledge_of, to_json
from greenroom.actors.sinks.installed import Sinks
from greenroom.actors.views.installed import Views
from greenroom.config.settings import Settings
from greenroom.store.ownership.referee import Newcomer
from greenroom.store.ownership.referee_postgres import PostgresReferee
from greenroom.store.postgres.pool import Pool
from greenroom.store.postgres.pooling import pool_mode_of
from greenroom.supervisors.cluster.evidence import this_host, this_process
from greenroom.supervisors.cluster.membership import Membership
from greenroom.supervisors.cluster.moves import Moves
from greenroom.supervisors.cluster.releases import Releases
from greenroom.supervisors.node.others import Others


def referee_of(pool: Pool, database_url: str, *, incarnation: int, is_alone: bool) -> PostgresReferee:
    """Over connections of its own, so that a lease is renewed whatever the pool is at."""
    lease, spare = pool.dedicated("lease"), pool.dedicated("lease-spare")
    rows = lease if is_alone else pool.dedicated("members")
    is_pooled = pool_mode_of(database_url)[1]
    return PostgresReferee(rows, incarnation=incarnation, lease=lease, spare=spare, is_pooled=is_pooled)


def membership_of(
    referee: PostgresReferee,
    others: Others,
    *,
    settings: Settings,
    kinds: Kinds,
    views: Views | None,
    sinks: Sinks | None,
    url: str,
    version: str,
    is_alone: bool,
    clock: Callable[[], float],
) -> Membership:
    knowledge = to_json(knowledge_of(list(kinds), list(views or ()), list(sinks or ())))
    release = digest_of(knowledge)
    return Membership(
        referee,
        Newcomer(
            url=url,
            version=version,
            host=this_host(),
            process=this_process(),
            capacity=settings.capacity,
            is_alone=is_alone,
            release=release,
            knowledge=knowledge,
        ),
        releases=Releases(release, knowledge, kinds.others),
        clock=clock,
        shards=settings.shards,
        lease_s=settings.lease_s,
        moved=others.moved,
        gone=others.gone,
        announce=others.announce,
        moves=Moves(clock),
        unreached=others.unreached,
        linked=others.linked,
    )
