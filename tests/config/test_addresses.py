"""Settings that are addresses: of the database, of several of its hosts, and of the path below which we are served."""

import pytest

from greenroom.config.settings import SettingsError, load_settings


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://app:hunter2@db/greenroom",
        "postgresql://app:hunter2@db1:5432,db2:5433/greenroom?target_session_attrs=read-write",
        "postgres://app@[::1]:5432,db2/greenroom",
        "postgresql://app@/greenroom?host=/run/postgresql",
    ],
)
def test_a_database_may_have_several_hosts(url: str) -> None:
    settings = load_settings(database_url=url)
    assert settings.database_url is not None and settings.database_url.get_secret_value() == url


@pytest.mark.parametrize("url", ["mysql://db/greenroom", "postgresql://", "postgresql://u:hunter2@a:1,b:x/db"])
def test_what_is_no_address_of_a_database_is_refused_by_name_alone(url: str) -> None:
    with pytest.raises(SettingsError, match=r"^GREENROOM_DATABASE_URL: must be postgresql://") as caught:
        load_settings(database_url=url)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(("given", "taken"), [("", ""), ("/", ""), ("/chat", "/chat"), ("/apps/chat/", "/apps/chat")])
def test_a_path_prefix_has_no_slash_at_its_end(given: str, taken: str) -> None:
    assert load_settings(path_prefix=given).path_prefix == taken


@pytest.mark.parametrize("given", ["chat", "/a b", "/a//b", "/api", "/events/x", "/ж", "/a?b", "/a%2Fb"])
def test_what_is_no_path_or_an_address_of_ours_is_no_prefix(given: str) -> None:
    with pytest.raises(SettingsError, match=r"^GREENROOM_PATH_PREFIX: must be a path such as /chat"):
        load_settings(path_prefix=given)
