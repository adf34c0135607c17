"""What follows from the errors that brokers answer with. Decisions only.

By the numbers of Kafka's protocol; librdkafka's own are below zero.
Source: https://kafka.apache.org/protocol#protocol_error_codes
"""

from collections.abc import Mapping

from greenroom.actors.sinks.errors import BatchRefused, Unreachable

# What was sent is wrong, say the brokers, and would be wrong again.
REFUSED = frozenset(
    (
        4,  # INVALID_MSG_SIZE
        10,  # MSG_SIZE_TOO_LARGE
        18,  # RECORD_LIST_TOO_LARGE
        32,  # INVALID_TIMESTAMP
        44,  # POLICY_VIOLATION
        87,  # INVALID_RECORD
    )
)
# What befalls the others when one has failed: they say nothing of why.
FOLLOWING = frozenset(
    (
        -138,  # in one request with an invalid record
        -148,  # sent after what was refused
        -150,  # the producer is of no use any more
        -151,  # purged under way
        -152,  # purged before
    )
)


def outcome(errors: Mapping[int, str]) -> BatchRefused | Unreachable:
    """Of a batch; `errors` has what brokers and librdkafka said, by number, and is not empty."""
    for code, text in errors.items():
        if code in REFUSED:
            return BatchRefused(text)
    cause = next((text for code, text in errors.items() if code not in FOLLOWING), None)
    return Unreachable(cause or next(iter(errors.values())))
