"""The worlds that are searched."""

from collections.abc import Callable

from greenroom.testing import Scenario
from tests.simulation.chat import chat
from tests.simulation.couriers import couriers
from tests.simulation.jobs.jobs_world import assorted, chores
from tests.simulation.jobs.plans_world import plans
from tests.simulation.ledger import ledgers
from tests.simulation.sagas import sagas
from tests.simulation.social.social_world import social
from tests.simulation.views.talks import talks

WITHOUT_VIEWS = ("ledgers", "chat", "couriers", "sagas")
SCENARIOS: dict[str, Callable[[], Scenario]] = {
    "ledgers": ledgers,
    "chat": chat,
    "couriers": couriers,
    "sagas": sagas,
    "views": talks,
    "jobs": chores,
    "assorted": assorted,
    "plans": plans,
    "social": social,
}
