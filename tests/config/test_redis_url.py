from pathlib import Path

import pytest
from redis.asyncio import Redis
from redis.asyncio.connection import URL_QUERY_ARGUMENT_PARSERS

from greenroom.config.redis_url import _PARAMETERS, _TLS, redis_url_problem
from greenroom.config.settings import SettingsError, load_settings

GOOD = [
    "redis://cache",
    "redis://cache/",
    "redis://:secret@cache:6379/3",
    "rediss://cache?ssl_cert_reqs=none&ssl_check_hostname=false",
    "redis://cache?socket_timeout=1.5&socket_keepalive=yes&health_check_interval=30&protocol=3&client_name=a",
    "unix:///run/valkey.sock?db=1",
]


@pytest.mark.parametrize("url", GOOD)
async def test_what_the_library_takes(url: str) -> None:
    assert redis_url_problem(url) is None
    Redis.from_url(url).connection_pool.make_connection()  # type: ignore[no-untyped-call]


@pytest.mark.parametrize("name", [name for name in (*_PARAMETERS, *_TLS) if name in URL_QUERY_ARGUMENT_PARSERS])
def test_a_value_of_another_type_is_refused_and_not_shown(name: str) -> None:
    problem = redis_url_problem(f"rediss://cache?{name}=hunter2")
    assert problem is not None and name in problem and "hunter2" not in problem


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("redis://cache?socket_timeout=abc", "another value for the parameter socket_timeout"),
        ("redis://cache?socket_timout=1", "no parameter 'socket_timout'"),
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
