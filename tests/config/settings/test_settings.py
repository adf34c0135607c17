from pathlib import Path

import pytest

from greenroom.config.limits import ClientConfig, DrainConfig, GateConfig, MailboxConfig
from greenroom.config.settings import SECTIONS, Settings, SettingsError, load_settings

PRODUCTION = {
    "GREENROOM_ENV": "production",
    "GREENROOM_AUTH_SECRET": "correct horse battery staple, and more",
    "GREENROOM_DATABASE_URL": "postgresql://app:hunter2@db/greenroom",
    "GREENROOM_REDIS_URL": "rediss://:hunter3@cache:6380/0",
    "GREENROOM_ALLOWED_ORIGINS": "https://chat.example, https://Admin.example:8443/",
}
PUBLIC_KEY = "-----BEGIN PUBLIC KEY-----\\nMCowBQYDK2VwAyEA\\n-----END PUBLIC KEY-----"


def setenv(monkeypatch: pytest.MonkeyPatch, values: dict[str, str]) -> None:
    for name, value in values.items():
        monkeypatch.setenv(name, value)


def problems(**overrides: object) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        load_settings(**overrides)
    assert str(caught.value) == "\n".join(caught.value.problems)
    return list(caught.value.problems)


def test_without_any_setting_a_local_node_with_every_sections_defaults() -> None:
    settings = load_settings()
    assert (settings.env, settings.host, settings.port, settings.nodes) == ("local", "127.0.0.1", 8000, 1)
    assert (settings.shards, settings.lease_s, settings.data_dir) == (4096, 5.0, Path(".greenroom"))
    assert settings.database_url is None and settings.auth_secret is None
    for name, section in SECTIONS.items():
        assert getattr(settings, name) == section()
    assert settings.drain == DrainConfig()


def test_override_beats_environment_beats_env_file(monkeypatch: pytest.MonkeyPatch) -> None:
    Path(".env").write_text("GREENROOM_PORT=1\nGREENROOM_NODES=2\nGREENROOM_SHARDS=3\nOTHER_PROGRAM=x\n")
    setenv(monkeypatch, {"GREENROOM_PORT": "4", "GREENROOM_NODES": "5"})
    settings = load_settings(port=6, host=None)
    assert (settings.port, settings.nodes, settings.shards, settings.host) == (6, 5, 3, "127.0.0.1")


def test_every_limit_has_a_setting_that_reaches_its_section(monkeypatch: pytest.MonkeyPatch) -> None:
    setenv(
        monkeypatch,
        {
            "GREENROOM_GATE_CONNECTIONS_MAX": "10",
            "GREENROOM_MAILBOX_CAPACITY": "7",
            "GREENROOM_CLIENT_PING_S": "9.5",
            "GREENROOM_DRAIN_S": "3",
            "GREENROOM_LOG_LEVEL": "debug",
        },
    )
    settings = load_settings()
    assert settings.gate == GateConfig(connections_max=10)
    assert settings.mailbox == MailboxConfig(capacity=7)
    assert settings.client == ClientConfig(ping_s=9.5)
    assert settings.drain == DrainConfig(deadline_s=3.0)
    assert settings.log.level == "debug"


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [
        ("GREENROOM_PORT", "eighty", "a whole number from 0 to 65535; got 'eighty'"),
        ("GREENROOM_PORT", "65536", "a whole number from 0 to 65535; got '65536'"),
        ("GREENROOM_NODES", "0", "a whole number from 1 to 256"),
        ("GREENROOM_ENV", "prod", "local | staging | production; got 'prod'"),
        ("GREENROOM_AUTH_ALGORITHM", "none", "HS256 | EdDSA | RS256"),
        ("GREENROOM_TRACE_SAMPLE", "1.5", "a number from 0 to 1"),
        ("GREENROOM_DRAIN_S", "inf", "a number above 0"),
        ("GREENROOM_LEASE_S", "nan", "a number from 1 to 60"),
        ("GREENROOM_MAILBOX_CAPACITY", "-1", "a whole number from 1 to 1000000"),
        ("GREENROOM_LOG_FORMAT", "xml", "auto | pretty | json"),
        ("GREENROOM_ALLOWED_ORIGINS", "chat.example", "https://host[:port]"),
        ("GREENROOM_ALLOWED_ORIGINS", "https://*.example", "https://host[:port]"),
        ("GREENROOM_ALLOWED_ORIGINS", "https://a.*.example.org", "https://host[:port]"),
        ("GREENROOM_ALLOWED_ORIGINS", "file:///app", "https://host[:port]"),
        ("GREENROOM_ALLOWED_ORIGINS", "null", "https://host[:port]"),
        ("GREENROOM_LOCAL_ON_NETWORK", "perhaps", "true | false; got 'perhaps'"),
        ("GREENROOM_ALLOWED_ORIGINS", "https://a.example/path", "https://host[:port]"),
        ("GREENROOM_ENTITIES", "my/module.py", "package.module:Class"),
        ("GREENROOM_AUTH_JWKS_FILE", "absent.json", "an existing JWKS file"),
        ("GREENROOM_AUTH_PUBLIC_KEY", "-----BEGIN PRIVATE KEY-----", "PEM text that begins -----BEGIN PUBLIC KEY-----"),
        ("GREENROOM_DATABASE_URL", "mysql://db/x", "postgresql://"),
        ("GREENROOM_DATABASE_URL", "postgresql://db:port/x", "postgresql://"),
        ("GREENROOM_REDIS_URL", "http://cache", "redis://"),
    ],
)
def test_a_bad_value_names_its_variable_and_what_is_allowed(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, allowed: str
) -> None:
    monkeypatch.setenv(name, value)
    (problem,) = problems()
    assert problem.startswith(f"{name}: must be ") and allowed in problem


def test_all_problems_come_in_one_run_rules_between_settings_included(monkeypatch: pytest.MonkeyPatch) -> None:
    setenv(monkeypatch, {"GREENROOM_ENV": "production", "GREENROOM_PORT": "x", "GREENROOM_PROT": "1"})
    assert {problem.split(":")[0].removeprefix("GREENROOM_") for problem in problems(nodes=0)} == {
        "PROT",
        "PORT",
        "NODES",
        "AUTH_SECRET",
        "DATABASE_URL",
        "REDIS_URL",
    }


@pytest.mark.parametrize("where", ["environment", "file"])
def test_an_unknown_name_of_ours_is_refused_with_the_closest_known(monkeypatch: pytest.MonkeyPatch, where: str) -> None:
    if where == "file":
        Path(".env").write_text("greenroom_databse_url=postgresql://x:hunter2@y/z\n")
    else:
        monkeypatch.setenv("GREENROOM_DATABSE_URL", "postgresql://x:hunter2@y/z")
    (problem,) = problems()
    assert problem == "GREENROOM_DATABSE_URL: no such setting; did you mean GREENROOM_DATABASE_URL?"


def test_a_name_like_no_other_gets_no_guess_and_an_unknown_override_is_refused_too() -> None:
    assert problems(zzz=1) == ["GREENROOM_ZZZ: no such setting; docs/reference/settings.md lists them all"]


def test_names_of_the_test_suite_are_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GREENROOM_TEST_ALL", "1")
    load_settings()


def test_an_empty_variable_is_an_unset_one(monkeypatch: pytest.MonkeyPatch) -> None:
    setenv(monkeypatch, {"GREENROOM_REDIS_URL": "", "GREENROOM_PORT": ""})
    assert load_settings().redis_url is None and load_settings().port == 8000


def test_an_env_file_that_is_no_text_is_a_settings_error() -> None:
    Path(".env").write_bytes(b"GREENROOM_PORT=\xff\xfe\n")
    (problem,) = problems()
    assert problem.startswith(".env: ")


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


def test_details_are_for_staff_unless_local_or_told_otherwise() -> None:
    assert not load_settings().details_for_staff
    assert load_settings(env="staging", auth_secret="s" * 32).details_for_staff
    assert not load_settings(env="staging", auth_secret="s" * 32, details="anybody").details_for_staff
    assert load_settings(details="staff").details_for_staff


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


def test_no_secret_in_text_or_error(monkeypatch: pytest.MonkeyPatch) -> None:
    setenv(monkeypatch, PRODUCTION)
    settings = load_settings()
    for secret in ("hunter2", "hunter3", "battery"):
        assert secret not in repr(settings) and secret not in str(settings) and secret not in settings.model_dump_json()
    bad = "hunter4-not-a-url"
    setenv(monkeypatch, {"GREENROOM_DATABASE_URL": bad, "GREENROOM_REDIS_URL": bad, "GREENROOM_AUTH_PUBLIC_KEY": bad})
    with pytest.raises(SettingsError) as caught:
        load_settings()
    assert len(caught.value.problems) == 3 and "hunter4" not in str(caught.value)
    # Chained errors are printed with a traceback: none may hold what this one leaves out.
    assert caught.value.__suppress_context__ and caught.value.__cause__ is None


def test_settings_and_sections_are_frozen() -> None:
    settings = load_settings()
    with pytest.raises(ValueError, match="frozen"):
        settings.port = 1
    with pytest.raises(AttributeError):
        settings.gate.backlog = 1  # type: ignore[misc]


def test_the_interfaces_settings_are_there_under_their_names() -> None:
    names = "ENV HOST PORT NODES DATABASE_URL REDIS_URL DATA_DIR AUTH_SECRET AUTH_PUBLIC_KEY AUTH_JWKS_FILE "
    names += "AUTH_ALGORITHM ALLOWED_ORIGINS ENTITIES SHARDS LEASE_S DRAIN_S LOG_LEVEL LOG_FORMAT TRACE_SAMPLE"
    assert {name.lower() for name in names.split()} <= set(Settings.model_fields)


def test_a_folder_of_static_files_must_be_there() -> None:
    assert load_settings(static=None).static is None
    Path("page").mkdir()
    Path("page/index.html").touch()
    assert load_settings(static="page").static == Path("page")
    Path("file").touch()
    for wrong in ("nowhere", "file"):
        (problem,) = problems(static=wrong)
        assert problem.startswith("GREENROOM_STATIC: must be a folder") and repr(wrong) in problem


def test_static_files_that_could_not_be_reached_or_must_not_be_are_refused() -> None:
    Path("page/api").mkdir(parents=True)
    (problem,) = problems(static="page")
    assert problem.startswith("GREENROOM_STATIC: holds api, and /api is an address of Greenroom's own")
    Path("page/api").rmdir()
    (problem,) = problems(static="page", data_dir="page/data")
    assert problem.startswith("GREENROOM_STATIC: must not be around GREENROOM_DATA_DIR")
    assert load_settings(static="page", data_dir="page-data").data_dir == Path("page-data")
