from pathlib import Path

import pytest

from greenroom.config.limits import ClientConfig, DrainConfig, GateConfig, MailboxConfig
from greenroom.config.settings import SECTIONS, Settings, SettingsError, load_settings
from tests.config.settings.given import PRODUCTION, problems, setenv


def test_without_any_setting_a_local_node_with_every_sections_defaults() -> None:
    settings = load_settings()
    assert (settings.env, settings.host, settings.port, settings.nodes) == ("local", "127.0.0.1", 8000, 1)
    assert (settings.shards, settings.lease_s, settings.data_dir) == (4096, 5.0, Path(".greenroom"))
    assert settings.database_url is None and settings.auth_secret is None
    for name, section in SECTIONS.items():
        assert getattr(settings, "media_limits" if name == "media" else name) == section()
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


def test_all_problems_come_in_one_run_rules_between_settings_included(monkeypatch: pytest.MonkeyPatch) -> None:
    setenv(monkeypatch, {"GREENROOM_ENV": "production", "GREENROOM_PORT": "x", "GREENROOM_PROT": "1"})
    assert {problem.split(":")[0].removeprefix("GREENROOM_") for problem in problems(nodes=-1)} == {
        "PROT",
        "PORT",
        "NODES",
        "AUTH_SECRET",
        "DATABASE_URL",
        "REDIS_URL",
    }


def test_an_empty_variable_is_an_unset_one(monkeypatch: pytest.MonkeyPatch) -> None:
    setenv(monkeypatch, {"GREENROOM_REDIS_URL": "", "GREENROOM_PORT": ""})
    assert load_settings().redis_url is None and load_settings().port == 8000


def test_an_env_file_that_is_no_text_is_a_settings_error() -> None:
    Path(".env").write_bytes(b"GREENROOM_PORT=\xff\xfe\n")
    (problem,) = problems()
    assert problem.startswith(".env: ")


def test_details_are_for_staff_unless_local_or_told_otherwise() -> None:
    assert not load_settings().details_for_staff
    assert load_settings(env="staging", auth_secret="s" * 32).details_for_staff
    assert not load_settings(env="staging", auth_secret="s" * 32, details="anybody").details_for_staff
    assert load_settings(details="staff").details_for_staff


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


@pytest.mark.parametrize(
    ("said", "views"),
    [
        ("", ()),
        ("none", ()),
        ("rooms, entities", ("rooms", "entities")),
    ],
)
def test_which_views_of_its_own_are_kept_up(monkeypatch: pytest.MonkeyPatch, said: str, views: tuple[str, ...]) -> None:
    setenv(monkeypatch, {"GREENROOM_BUILT_IN_VIEWS": said})
    assert load_settings().built_in_views == views


def test_a_view_that_greenroom_lacks_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    setenv(monkeypatch, {"GREENROOM_BUILT_IN_VIEWS": "rooms,nope"})
    with pytest.raises(SettingsError, match="BUILT_IN_VIEWS"):
        load_settings()
