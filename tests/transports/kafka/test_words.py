"""What librdkafka says, in our log."""

from confluent_kafka import KafkaError
from structlog.testing import capture_logs

from greenroom.transports.kafka.words import CHARACTERS_MAX, Words


def test_a_line_of_the_library_is_one_of_ours() -> None:
    with capture_logs() as logs:
        Words("hooks").log(40, "%s [%s] %s", "FAIL", "greenroom#producer-1", "Connect failed")
    (line,) = logs
    assert line["event"] == "kafka_warned" and line["sink"] == "hooks" and line["log_level"] == "warning"
    assert line["error"] == "FAIL [greenroom#producer-1] Connect failed"


def test_what_is_about_our_own_options_or_tried_again_by_itself_is_not_said() -> None:
    with capture_logs() as logs:
        Words("hooks").log(30, "%s [%s] %s", "CONFWARN", "greenroom#producer-1", "enable.gapless.guarantee is ...")
        Words("hooks").log(30, "%s [%s] %s", "GETPID", "greenroom#producer-1", "Failed to acquire ...: retrying")
    assert logs == []


def test_the_same_is_said_once_for_a_while() -> None:
    words = Words("hooks")
    with capture_logs() as logs:
        for _ in range(100):
            words.log(40, "%s [%s] %s", "FAIL", "one", "Connect failed")
    assert len(logs) == 1


def test_the_last_trouble_is_remembered_and_what_follows_from_it_is_not() -> None:
    words = Words("hooks")
    words.error(KafkaError(KafkaError._TRANSPORT, "Connection refused"))
    words.error(KafkaError(KafkaError._ALL_BROKERS_DOWN, "1/1 brokers are down"))
    assert words.trouble == "Connection refused"


def test_nothing_is_said_while_it_ends() -> None:
    words = Words("hooks")
    words.is_heard = False
    with capture_logs() as logs:
        words.log(40, "%s [%s] %s", "FATAL", "greenroom#producer-1", "Purged in flight")
    assert logs == []


def test_no_secret_is_said_and_nothing_without_end() -> None:
    words = Words("hooks", secret="hunter2")
    text = "no entry for hunter2 " + "x" * 10_000
    with capture_logs() as logs:
        words.log(40, "%s [%s] %s", "FAIL", "greenroom#producer-1", text)
    words.error(KafkaError(KafkaError._AUTHENTICATION, text))
    for said in (logs[0]["error"], words.trouble):
        assert "hunter2" not in said and len(said) <= CHARACTERS_MAX
