"""A Kafka sink of shows, for tests of servers."""

from greenroom.sinks import KafkaSink
from tests.actors.views.shows import Clapped


class Claps(KafkaSink):
    """All that was clapped."""

    of = (Clapped,)
