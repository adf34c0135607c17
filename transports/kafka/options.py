"""What librdkafka is told: https://github.com/confluentinc/librdkafka/blob/master/CONFIGURATION.md has the names.

Three of these keep the order of an entity, and belong together. `enable.idempotence`: a request that is sent again is
written once, in its place. `max.in.flight.requests.per.connection` of 1: nothing is sent before what precedes it is
acknowledged. `enable.gapless.guarantee`: when a broker refuses something, what follows it in its partition is not sent
either; without it librdkafka leaves the one out and goes on.
"""

from greenroom.actors.sinks.errors import Unreachable
from greenroom.config.limits import KafkaConfig

QUEUE_MESSAGES_MAX = 1_000  # in librdkafka's memory, acknowledged or yet to be
QUEUE_BYTES_MAX = 33_554_432  # 32 MiB of them: twice the longest that a setting allows
BESIDE_BYTES = 1_024  # of a message, beside its key and value: the headers, and what frames it
NEVER_MS = 3_600_000  # longer than anybody waits

Options = dict[str, str | int | bool]


def options_of(config: KafkaConfig) -> Options:
    """Of a sink's producer. Raises: Unreachable when no broker is named."""
    if not config.servers:
        raise Unreachable("GREENROOM_KAFKA_SERVERS is not set")
    options: Options = {
        "bootstrap.servers": ",".join(config.servers),
        "client.id": "greenroom",
        "security.protocol": config.security,
        "acks": "all",
        "enable.idempotence": True,
        "enable.gapless.guarantee": True,
        "max.in.flight.requests.per.connection": 1,
        # Whoever delivers says when it takes too long, of all at once. What librdkafka itself gave up would be a gap.
        "message.timeout.ms": 0,
        "topic.metadata.propagation.max.ms": NEVER_MS,
        "socket.timeout.ms": min(max(int(config.timeout_s * 1000), 1_000), 60_000),
        "message.max.bytes": config.message_bytes_max + BESIDE_BYTES,
        "batch.size": config.message_bytes_max,  # which a broker refuses as a whole, where a topic takes less
        "queue.buffering.max.messages": QUEUE_MESSAGES_MAX,
        "queue.buffering.max.kbytes": QUEUE_BYTES_MAX // 1024,
        "partitioner": "murmur2_random",  # as Java's clients have it, so that theirs go to the same partition
        "log_level": 4,  # warnings and worse
        "log.connection.close": False,  # brokers close what is idle
    }
    if config.security.startswith("sasl_"):
        options |= {
            "sasl.mechanisms": config.sasl_mechanism,
            "sasl.username": config.sasl_user,
            "sasl.password": config.sasl_password.get_secret_value() if config.sasl_password is not None else "",
        }
    if config.ca_file is not None and config.security.endswith("ssl"):
        options["ssl.ca.location"] = str(config.ca_file)
    return options
