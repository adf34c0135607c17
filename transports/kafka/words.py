"""What librdkafka says of itself: into our log, and remembered, since it tells why nothing is acknowledged."""

from typing import TYPE_CHECKING

import structlog

from greenroom.config.telemetry.redaction import REDACTED
from greenroom.config.telemetry.throttled_log import ThrottledLog

if TYPE_CHECKING:
    from confluent_kafka import KafkaError

UNSAID = frozenset(
    (
        "CONFWARN",  # about options, which are ours: one that we need is called experimental
        "GETPID",  # it asks for its number again, as where an address has become a broker; what lasts is an error
    )
)
ALL_BROKERS_DOWN = -187
CHARACTERS_MAX = 1_000  # of what it says at once


class Words:
    """Of a sink's producers, one after the other. Called by whichever thread polls them."""

    def __init__(self, sink: str, *, secret: str = "") -> None:
        """`secret` is left out of all that is said."""
        self._sink = sink
        self._secret = secret
        self._log = ThrottledLog(structlog.get_logger("greenroom.kafka"))
        self.trouble = ""  # the last
        self.is_heard = True

    def log(self, _level: int, form: str, *values: object) -> None:
        """As a `logging.Logger` has it, which librdkafka's lines go to: what it is about, of whom, and text."""
        about = str(values[0]) if values else form
        if self.is_heard and about not in UNSAID:
            self._log.warning("kafka_warned", key=about, sink=self._sink, error=self._without(form % values))

    def error(self, error: "KafkaError") -> None:
        """A broker can't be reached, or does not let us in; there is a line about it as well."""
        if error.code() != ALL_BROKERS_DOWN:  # which follows from what it said of each
            self.trouble = self._without(error.str())

    def _without(self, text: str) -> str:
        return (text.replace(self._secret, REDACTED) if self._secret else text)[:CHARACTERS_MAX]
