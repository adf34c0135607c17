from pathlib import Path

import pytest

from greenroom.config.redis_url import redis_url_problem
from greenroom.config.settings import SettingsError, load_settings

GOOD = [
    "redis://cache",
    "redis://cache/",
    "redis://:secret@cache:6379/3",
    "rediss://cache?ssl_cert_reqs=none&ssl_check_hostname=false",
    "redis://one:6379,two:6379,three",
    "redis://cache?client_name=a&username=ann&password=secret",
    "unix:///run/valkey.sock?db=1",
    "redis+sentinel://:secret@one:26379,two/main",
    "rediss+sentinel://one/main/3?ssl_cert_reqs=optional",
]


@pytest.mark.parametrize("url", GOOD)
def test_what_a_setting_may_be(url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GREENROOM_REDIS_URL", url)
    settings = load_settings()
    assert settings.redis_url is not None and settings.redis_url.get_secret_value() == url


@pytest.mark.parametrize("name", ["db", "ssl_cert_reqs", "ssl_check_hostname"])
def test_a_value_of_another_type_is_refused_and_not_shown(name: str) -> None:
    problem = redis_url_problem(f"rediss://cache?{name}=hunter2")
    assert problem is not None and name in problem and "hunter2" not in problem


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("redis://cache?db=abc", "another value for the parameter db"),
        ("redis://cache?client_nam=1", "no parameter 'client_nam'"),
        ("redis://one:port,two", "must be redis://"),
        ("redis+sentinel://one", "must name what its sentinels watch"),
        ("redis+sentinel://one/main/abc", "must name what its sentinels watch"),
        ("redis://cache?db=1&db=2", "the parameter db once"),
        ("redis://cache/abc", "its database by a number"),
        ("redis://cache?ssl_cert_reqs=none", "no parameter 'ssl_cert_reqs'"),
    ],
)
def test_the_start_is_refused_with_the_name_of_the_setting(
    url: str, said: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GREENROOM_REDIS_URL", url)
    with pytest.raises(SettingsError) as refused:
        load_settings()
    (problem,) = refused.value.problems
    assert problem.startswith("GREENROOM_REDIS_URL: ") and said in problem
