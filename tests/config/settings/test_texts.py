"""What is wrong with settings is told by their names, with what is allowed."""

from pathlib import Path

import pytest

from greenroom.config.settings import load_settings
from tests.config.settings.given import problems


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [
        ("GREENROOM_PORT", "eighty", "a whole number from 0 to 65535; got 'eighty'"),
        ("GREENROOM_PORT", "65536", "a whole number from 0 to 65535; got '65536'"),
        ("GREENROOM_NODES", "-1", "a whole number from 0 to 256"),
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
        ("GREENROOM_DATABASE_URL", "postgresql://db/x?pool_mode=statement", "pool_mode=transaction"),
        ("GREENROOM_REDIS_URL", "http://cache", "redis://"),
    ],
)
def test_a_bad_value_names_its_variable_and_what_is_allowed(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, allowed: str
) -> None:
    monkeypatch.setenv(name, value)
    (problem,) = problems()
    assert problem.startswith(f"{name}: must be ") and allowed in problem


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
