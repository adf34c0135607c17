"""Settings that are valid each by itself, and not together."""

from pathlib import Path

import pytest

from greenroom.config.settings import load_settings
from tests.config.settings.given import PRODUCTION, PUBLIC_KEY, problems, setenv


def test_production_starts_when_all_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    setenv(monkeypatch, PRODUCTION)
    settings = load_settings()
    assert settings.allowed_origins == ("https://chat.example", "https://admin.example:8443")


@pytest.mark.parametrize("name", ["GREENROOM_AUTH_SECRET", "GREENROOM_DATABASE_URL", "GREENROOM_REDIS_URL"])
@pytest.mark.parametrize("empty", [True, False])
def test_production_stops_on_what_is_missing(monkeypatch: pytest.MonkeyPatch, name: str, empty: bool) -> None:
    setenv(monkeypatch, PRODUCTION)
    if empty:
        monkeypatch.setenv(name, "")
    else:
        monkeypatch.delenv(name)
    (problem,) = problems()
    assert problem.startswith(f"{name}: must be set with GREENROOM_ENV=production")


def test_production_stops_on_a_wildcard_origin_which_others_may_have(monkeypatch: pytest.MonkeyPatch) -> None:
    setenv(monkeypatch, PRODUCTION | {"GREENROOM_ALLOWED_ORIGINS": "https://chat.example,*"})
    (problem,) = problems()
    assert problem.startswith("GREENROOM_ALLOWED_ORIGINS: ")
    assert load_settings(env="staging").allowed_origins[-1] == "*"


def test_staging_needs_a_secret_and_nothing_else() -> None:
    (problem,) = problems(env="staging")
    assert problem.startswith("GREENROOM_AUTH_SECRET: ")
    (problem,) = problems(env="staging", auth_secret="  ")
    assert problem.startswith("GREENROOM_AUTH_SECRET: ")
    load_settings(env="staging", auth_secret="s" * 32)


@pytest.mark.parametrize("env", ["staging", "production"])
def test_a_secret_that_can_be_guessed_is_refused_by_name(monkeypatch: pytest.MonkeyPatch, env: str) -> None:
    setenv(monkeypatch, PRODUCTION)
    for short in ("s", "s" * 31, "я" * 15):
        (problem,) = problems(env=env, auth_secret=short)
        assert problem.startswith("GREENROOM_AUTH_SECRET: must have at least 32 bytes") and "sss" not in problem
    load_settings(env=env, auth_secret="я" * 16)
    load_settings(env="local", auth_secret="s")


def test_keys_that_others_may_share_need_an_issuer_and_an_audience_but_in_local() -> None:
    Path("keys.json").write_text("{}")
    load_settings(env="local", auth_jwks_file="keys.json")
    for env in ("staging", "production"):
        named = {problem.split(":")[0] for problem in problems(env=env, auth_jwks_file="keys.json")}
        assert {"GREENROOM_TOKEN_ISSUER", "GREENROOM_TOKEN_AUDIENCE"} <= named
    (problem,) = problems(env="staging", auth_jwks_file="keys.json", token_issuer="https://id.example.org")
    assert problem.startswith("GREENROOM_TOKEN_AUDIENCE: must be set with GREENROOM_AUTH_JWKS_FILE")
    load_settings(env="staging", auth_public_key=PUBLIC_KEY)  # nobody else has the key to that one


def test_an_algorithm_of_secrets_does_not_go_with_a_public_key() -> None:
    (problem,) = problems(auth_algorithm="HS256", auth_public_key=PUBLIC_KEY)
    assert problem.startswith("GREENROOM_AUTH_ALGORITHM: HS256 takes a secret")
    assert load_settings(auth_public_key=PUBLIC_KEY).auth_algorithm is None


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.7", "box.lan"])
def test_letting_anybody_be_anybody_on_a_network_takes_a_second_setting(host: str) -> None:
    (problem,) = problems(host=host)
    assert problem.startswith(f"GREENROOM_HOST: {host} is not loopback") and "GREENROOM_LOCAL_ON_NETWORK" in problem
    assert load_settings(host=host, local_on_network=True).host == host
    assert load_settings(host=host, env="staging", auth_secret="s" * 32).host == host
    for name in ("localhost", "127.0.0.2", "::1"):
        load_settings(host=name)


def test_an_asymmetric_algorithm_needs_one_place_for_its_keys() -> None:
    (problem,) = problems(env="local", auth_algorithm="EdDSA")
    assert problem.startswith("GREENROOM_AUTH_PUBLIC_KEY: ") and "GREENROOM_AUTH_JWKS_FILE" in problem
    Path("keys.json").write_text("{}")
    whose = {"token_issuer": "us", "token_audience": "greenroom"}
    load_settings(env="staging", auth_algorithm="RS256", auth_jwks_file="keys.json", **whose)
    settings = load_settings(env="staging", auth_algorithm="EdDSA", auth_public_key=PUBLIC_KEY)
    assert settings.auth_public_key is not None and settings.auth_public_key.count("\n") == 2
    (problem,) = problems(auth_algorithm="EdDSA", auth_public_key=PUBLIC_KEY, auth_jwks_file="keys.json")
    assert problem.startswith("GREENROOM_AUTH_JWKS_FILE: ")


def test_bounds_that_contradict_each_other_are_refused() -> None:
    assert problems(http_deadline_s=90) == [
        "GREENROOM_HTTP_DEADLINE_S: must be at most GREENROOM_HTTP_DEADLINE_MAX_S, which is 60"
    ]


def test_static_files_that_could_not_be_reached_or_must_not_be_are_refused() -> None:
    Path("page/api").mkdir(parents=True)
    (problem,) = problems(static="page")
    assert problem.startswith("GREENROOM_STATIC: holds api, and /api is an address of Greenroom's own")
    Path("page/api").rmdir()
    (problem,) = problems(static="page", data_dir="page/data")
    assert problem.startswith("GREENROOM_STATIC: must not be around GREENROOM_DATA_DIR")
    assert load_settings(static="page", data_dir="page-data").data_dir == Path("page-data")


def test_brokers_are_shown_a_password_where_they_ask_for_one_and_never_in_the_clear() -> None:
    given = {"kafka_sasl_user": "ann", "kafka_sasl_password": "hunter2"}
    load_settings(kafka_security="sasl_ssl", kafka_sasl_mechanism="PLAIN", **given)
    load_settings(kafka_security="sasl_plaintext", **given)
    (problem,) = problems(kafka_security="sasl_plaintext", kafka_sasl_mechanism="PLAIN", **given)
    assert problem.startswith("GREENROOM_KAFKA_SASL_MECHANISM: PLAIN without TLS")
    for security in ("ssl", "plaintext"):
        named = problems(kafka_security=security, **given)
        assert [one.split(":")[0] for one in named] == ["GREENROOM_KAFKA_SASL_USER", "GREENROOM_KAFKA_SASL_PASSWORD"]
        assert "hunter2" not in str(named)
    named = problems(kafka_security="sasl_ssl")
    assert [one.split(":")[0] for one in named] == ["GREENROOM_KAFKA_SASL_USER", "GREENROOM_KAFKA_SASL_PASSWORD"]


def test_links_to_media_have_something_to_be_signed_with(tmp_path: Path) -> None:
    load_settings(media="file:///srv/media")
    key = {"env": "staging", "auth_public_key": PUBLIC_KEY, "media": "file:///srv/media"}
    (problem,) = problems(**key)
    assert problem.startswith("GREENROOM_MEDIA_SECRET: must be set with GREENROOM_MEDIA")
    load_settings(**key, media_secret="x" * 32)
    pages = tmp_path / "pages"
    (pages / "media").mkdir(parents=True)
    load_settings(static=pages)
    (problem,) = problems(static=pages, media="file:///srv/media")
    assert problem.startswith("GREENROOM_STATIC: holds media")


def test_a_user_has_room_for_one_upload_at_least() -> None:
    bounds = {"media": "file:///srv/media", "media_bytes_max": 1_000_000, "media_made_bytes_max": 500_000}
    load_settings(**bounds, media_user_bytes_max=1_500_000)
    (problem,) = problems(**bounds, media_user_bytes_max=1_499_999)
    assert problem.startswith("GREENROOM_MEDIA_USER_BYTES_MAX: must be at least 1500000")


def test_mails_have_a_sender_and_go_in_the_clear_to_this_host_alone() -> None:
    (problem,) = problems(smtp_server="mail.example.org:587")
    assert problem.startswith("GREENROOM_SMTP_FROM: must be set")
    given = {"smtp_from": "ops@example.org", "smtp_security": "plain"}
    (problem,) = problems(smtp_server="mail.example.org:25", **given)
    assert problem.startswith("GREENROOM_SMTP_SECURITY: plain shows")
    for server in ("127.0.0.1:25", "[::1]:25", "localhost:25"):
        load_settings(smtp_server=server, **given)


def test_links_that_end_mails_are_signed() -> None:
    where = "https://greenroom.example/unsubscribe"
    (problem,) = problems(unsubscribe_url=where)
    assert "GREENROOM_UNSUBSCRIBE_SECRET" in problem
    settings = load_settings(unsubscribe_url=where, auth_secret=32 * "a")
    assert settings.notices.secret is not None and settings.notices.secret.get_secret_value() == 32 * "a"
    own = load_settings(unsubscribe_url=where, auth_secret=32 * "a", unsubscribe_secret=32 * "u")
    assert own.notices.secret is not None and own.notices.secret.get_secret_value() == 32 * "u"
    assert "aaaa" not in repr(settings.notices) and "uuuu" not in repr(own.notices)


def test_a_user_of_the_mail_server_has_a_password_and_a_key_of_push_a_contact() -> None:
    for given in ({"smtp_user": "ann"}, {"smtp_password": "hunter2"}):
        (problem,) = problems(**given)
        assert problem.startswith("GREENROOM_SMTP_PASSWORD: must be set with") and "hunter2" not in problem
    (problem,) = problems(vapid_private_key="AQ" + "A" * 41)
    assert problem.startswith("GREENROOM_VAPID_SUBJECT: must be set with")
