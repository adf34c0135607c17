"""What librdkafka is told: its own library takes all of it, and what keeps order and secrets is there."""

from pathlib import Path

import pytest
from confluent_kafka import Producer
from pydantic import SecretStr

from greenroom import Unreachable
from greenroom.config.limits import KafkaConfig
from greenroom.config.settings import load_settings
from greenroom.transports.kafka.options import QUEUE_BYTES_MAX, options_of

SERVERS = ("127.0.0.1:9",)


def test_without_brokers_it_is_said_which_setting_is_missing() -> None:
    with pytest.raises(Unreachable, match="GREENROOM_KAFKA_SERVERS"):
        options_of(KafkaConfig())


def test_what_keeps_the_order_belongs_together() -> None:
    options = options_of(KafkaConfig(servers=SERVERS))
    assert options["enable.idempotence"] is True and options["enable.gapless.guarantee"] is True
    assert options["max.in.flight.requests.per.connection"] == 1 and options["acks"] == "all"
    assert options["message.timeout.ms"] == 0


def test_certificates_are_verified_whatever_is_set(tmp_path: Path) -> None:
    authority = tmp_path / "ca.pem"
    options = options_of(KafkaConfig(servers=SERVERS, ca_file=authority))
    assert options["security.protocol"] == "ssl" and options["ssl.ca.location"] == str(authority)
    assert not [name for name in options if "verif" in name or "identification" in name]
    assert "ssl.ca.location" not in options_of(KafkaConfig(servers=SERVERS, ca_file=authority, security="plaintext"))


def test_a_password_is_told_where_it_is_asked_for() -> None:
    config = KafkaConfig(servers=SERVERS, security="sasl_ssl", sasl_user="u", sasl_password=SecretStr("hunter2"))
    options = options_of(config)
    assert (options["sasl.mechanisms"], options["sasl.username"]) == ("SCRAM-SHA-512", "u")
    assert options["sasl.password"] == "hunter2" and "hunter2" not in repr(config)
    assert not [name for name in options_of(KafkaConfig(servers=SERVERS)) if name.startswith("sasl")]


@pytest.mark.parametrize("security", ["plaintext", "sasl_plaintext", "ssl", "sasl_ssl"])
@pytest.mark.parametrize("timeout_s", [0.001, 15.0, 300.0])
def test_the_library_takes_it(security: str, timeout_s: float) -> None:
    password = {"kafka_sasl_user": "u", "kafka_sasl_password": "p"} if security.startswith("sasl") else {}
    settings = load_settings(
        kafka_servers="127.0.0.1:9", kafka_security=security, kafka_timeout_s=timeout_s, **password
    )
    Producer(dict(options_of(settings.sink.kafka)) | {"log_level": 0}).close()


def test_the_longest_event_fits_into_the_queue() -> None:
    largest = 16 * 1024 * 1024
    options = options_of(load_settings(kafka_servers="h:1", kafka_message_bytes_max=largest).sink.kafka)
    assert int(options["message.max.bytes"]) < QUEUE_BYTES_MAX
    Producer(dict(options) | {"security.protocol": "plaintext", "log_level": 0}).close()
