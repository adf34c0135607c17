"""What an operator may write for single values, and what is made of it."""

from base64 import b64encode
from pathlib import Path

import pytest

from greenroom.config.settings import load_settings
from greenroom.config.settings.forms import keys_of
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


def test_a_model_is_a_file_whose_name_says_of_which_sort(tmp_path: Path) -> None:
    path = tmp_path / "model.json"
    for missing in (path, tmp_path):
        (problem,) = problems(ranking_model=missing)
        assert problem.startswith("GREENROOM_RANKING_MODEL: must be an existing file that ends in .txt")
    path.touch()
    assert load_settings(ranking_model=path).ranking_model == path
    other = path.rename(tmp_path / "model.pkl")
    (problem,) = problems(ranking_model=other)
    assert problem.startswith("GREENROOM_RANKING_MODEL: must be an existing file")


def test_arms_have_a_part_of_the_users_and_a_model_or_none(tmp_path: Path) -> None:
    path = tmp_path / "bold.txt"
    path.touch()
    found = load_settings(ranking_arms=f"bold=10:{path}, plain = 2.5:light").ranking_arms
    assert found == {"bold": (10.0, path), "plain": (2.5, None)}
    assert load_settings(ranking_arms="all=100:light").ranking_arms == {"all": (100.0, None)}
    many = ("a", "a=10", "a=10:", "a=10:none.txt", "a=x:light", "a=0:light", "a=-1:light", "a=nan:light", "a=101:light")
    for wrong in (*many, "a=60:light,b=60:light", "a=1:light,a=2:light", "control=1:light", "a b=1:light"):
        (problem,) = problems(ranking_arms=wrong)
        assert problem.startswith("GREENROOM_RANKING_ARMS: must be name=percent:file"), wrong
    (problem,) = problems(ranking_experiment="a/b")
    assert problem.startswith("GREENROOM_RANKING_EXPERIMENT: must be a name")


VAPID = "AQ" + "A" * 41  # base64url of a one and 31 zeros


def test_what_messages_to_browsers_are_signed_with() -> None:
    for given in (VAPID, VAPID + "="):
        key = load_settings(vapid_private_key=given, vapid_subject="https://example.org/x").vapid_private_key
        assert key is not None and key.get_secret_value() == VAPID
    for wrong in ("A" * 43, "_" * 43, "A" * 42, VAPID + "A", "+" + VAPID[1:]):
        (problem,) = problems(vapid_private_key=wrong, vapid_subject="mailto:ops@example.org")
        assert problem.startswith("GREENROOM_VAPID_PRIVATE_KEY: must be the 32 bytes") and wrong not in problem


@pytest.mark.parametrize("given", ["ops@example.org", "mailto:", "mailto:a b@example.org", "ftp://x", "https://"])
def test_whom_services_of_push_write_to(given: str) -> None:
    (problem,) = problems(vapid_private_key=VAPID, vapid_subject=given)
    assert problem.startswith("GREENROOM_VAPID_SUBJECT: must be mailto:")


@pytest.mark.parametrize("given", ["ops", "ops@", "ops@example.org\nBcc: x@y.org", "Ops <ops@example.org>", "a@b@c"])
def test_whom_mails_are_from(given: str) -> None:
    (problem,) = problems(smtp_server="127.0.0.1:25", smtp_from=given)
    assert problem.startswith("GREENROOM_SMTP_FROM: must be name@example.org")


@pytest.mark.parametrize("given", ["example.org", "javascript:alert(1)", "https://a b/", "https://x/\r\n"])
def test_where_mails_lead_to(given: str) -> None:
    (problem,) = problems(notices_url=given)
    assert problem.startswith("GREENROOM_NOTICES_URL: must be https://host/path")


KEY = b64encode(bytes(range(32))).decode()


def test_what_jobs_are_encrypted_with() -> None:
    assert (
        keys_of(load_settings(jobs_keys=f"{KEY} {KEY}\n").jobs_keys) == [bytes(range(32))] * 2 and keys_of(None) == []
    )
    for wrong in (" ", KEY[:-4], f"{KEY},{KEY}", f"{KEY} x", "é" * 44):
        (problem,) = problems(jobs_keys=wrong)
        assert problem.startswith("GREENROOM_JOBS_KEYS: must be 32 bytes in base64") and KEY not in problem
