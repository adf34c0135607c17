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


def test_what_is_about_our_own_options_is_not_said() -> None:
    with capture_logs() as logs:
        Words("hooks").log(30, "%s [%s] %s", "CONFWARN", "greenroom#producer-1", "enable.gapless.guarantee is ...")
    assert logs == []


def test_the_same_is_said_once_for_a_while() -> None:
    words = Words("hooks")
    with capture_logs() as logs:
        for _ in range(100):
            words.log(40, "%s [%s] %s", "FAIL", "one", "Connect failed")
    assert len(logs) == 1


def test_no_secret_is_said_and_nothing_without_end() -> None:
    words = Words("hooks", secret="hunter2")
    with capture_logs() as logs:
        words.error(KafkaError(KafkaError._AUTHENTICATION, "no entry for hunter2 " + "x" * 10_000))
    assert "hunter2" not in str(logs) + words.trouble
    assert words.trouble == logs[0]["error"] and len(words.trouble) <= CHARACTERS_MAX
