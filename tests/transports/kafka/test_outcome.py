"""What follows from what brokers answer."""

import pytest
from confluent_kafka import KafkaError

from greenroom import BatchRefused, Unreachable
from greenroom.transports.kafka.outcome import FOLLOWING, REFUSED, outcome


@pytest.mark.parametrize(
    ("codes", "error", "why"),
    [
        ([KafkaError._ALL_BROKERS_DOWN], Unreachable, "-187"),
        ([KafkaError.LEADER_NOT_AVAILABLE], Unreachable, "5"),
        ([KafkaError._MSG_TIMED_OUT], Unreachable, "-192"),
        ([KafkaError._AUTHENTICATION], Unreachable, "-169"),
        ([KafkaError.TOPIC_AUTHORIZATION_FAILED], Unreachable, "29"),
        ([KafkaError.UNKNOWN_TOPIC_OR_PART], Unreachable, "3"),
        ([KafkaError._PURGE_QUEUE, KafkaError.OUT_OF_ORDER_SEQUENCE_NUMBER], Unreachable, "45"),
        ([KafkaError._PURGE_QUEUE, KafkaError._FATAL], Unreachable, "-152"),
        ([KafkaError.MSG_SIZE_TOO_LARGE], BatchRefused, "10"),
        ([KafkaError._PURGE_QUEUE, KafkaError.INVALID_RECORD], BatchRefused, "87"),
        ([KafkaError._INVALID_DIFFERENT_RECORD, KafkaError.INVALID_RECORD], BatchRefused, "87"),
    ],
)
def test_the_cause_decides_and_not_what_follows_from_it(codes: list[int], error: type[Exception], why: str) -> None:
    found = outcome({code: str(code) for code in codes})
    assert type(found) is error and str(found) == why


def test_the_numbers_are_those_of_the_library() -> None:
    names = ("INVALID_MSG_SIZE", "MSG_SIZE_TOO_LARGE", "RECORD_LIST_TOO_LARGE", "INVALID_TIMESTAMP", "POLICY_VIOLATION")
    assert {getattr(KafkaError, name) for name in (*names, "INVALID_RECORD")} == REFUSED
    following = ("_INVALID_DIFFERENT_RECORD", "_GAPLESS_GUARANTEE", "_FATAL", "_PURGE_INFLIGHT", "_PURGE_QUEUE")
    assert {getattr(KafkaError, name) for name in following} == FOLLOWING
