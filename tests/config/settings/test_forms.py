"""What an operator may write for single values, and what is made of it."""

import pytest

from greenroom.config.settings import load_settings
from tests.config.settings.given import problems


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("https://chat.example.org:443", "https://chat.example.org"),
        ("http://chat.example.org:80/", "http://chat.example.org"),
        ("https://chat.example.org:8443", "https://chat.example.org:8443"),
        ("https://*.Example.org", "https://*.example.org"),
        ("capacitor://localhost", "capacitor://localhost"),
        ("app://-", "app://-"),
    ],
)
def test_an_origin_is_kept_as_browsers_send_it(given: str, kept: str) -> None:
    assert load_settings(allowed_origins=given).allowed_origins == (kept,)


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("broker:9092", ("broker:9092",)),
        ("a.example.org:9092, B:1,[::1]:65535", ("a.example.org:9092", "B:1", "[::1]:65535")),
    ],
)
def test_brokers_are_hosts_with_ports(given: str, kept: tuple[str, ...]) -> None:
    assert load_settings(kafka_servers=given).kafka_servers == kept


@pytest.mark.parametrize("given", ["broker", "broker:0", "broker:65536", "kafka://broker:1", "u:p@broker:1", "a:1;b:2"])
def test_what_is_no_broker_is_refused(given: str) -> None:
    (problem,) = problems(kafka_servers=given)
    assert problem.startswith("GREENROOM_KAFKA_SERVERS: must be host:port")


def test_topics_are_told_by_the_names_of_sinks() -> None:
    assert load_settings(kafka_topics="a=one, b=Two.x-y_z").kafka_topics == {"a": "one", "b": "Two.x-y_z"}
    for wrong in ("a", "a=", "=one", "a=one,a=two", "a=o n e", "a=..", "a=" + "x" * 250):
        (problem,) = problems(kafka_topics=wrong)
        assert problem.startswith("GREENROOM_KAFKA_TOPICS: must be name=topic"), wrong


@pytest.mark.parametrize("given", ["file:///srv/media", "s3://bucket/a/b", "gs://bucket", "az://account/container/a"])
def test_where_objects_are_kept_is_a_folder_or_a_bucket(given: str) -> None:
    assert load_settings(media=given).media == given


@pytest.mark.parametrize(
    "given",
    [
        "file://",
        "file:///",
        "file://host/a",
        "s3://",
        "s3://key:secret@bucket",
        "s3://bucket?secret=x",
        "/srv",
        "http://x/",
    ],
)
def test_what_is_neither_is_refused(given: str) -> None:
    (problem,) = problems(media=given)
    assert problem.startswith("GREENROOM_MEDIA: must be file:///folder")
