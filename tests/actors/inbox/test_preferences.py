"""How soon each channel tells of each kind."""

from greenroom.actors.inbox.preferences import CHANNELS, KINDS, Preferences, default_of, pace_of, table_of


def test_what_is_personal_goes_out_and_the_rest_does_not() -> None:
    assert [default_of("mention", channel) for channel in CHANNELS] == ["now", "daily", "now", "now"]
    assert [default_of("like", channel) for channel in CHANNELS] == ["now", "off", "off", "now"]


def test_what_a_user_has_said_counts_and_else_the_default() -> None:
    said: Preferences = {"like": {"mail": "hourly"}}
    assert pace_of(said, "like", "mail") == "hourly"
    assert pace_of(said, "like", "push") == "off" and pace_of(said, "mention", "mail") == "daily"
    table = table_of(said)
    assert list(table) == list(KINDS) and table["like"]["mail"] == "hourly"
