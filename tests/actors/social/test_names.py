"""Names of posts."""

from greenroom.actors.social.names import is_post_id, ms_of, new_post_id


def test_a_later_post_has_a_greater_name_that_says_when_it_was_made() -> None:
    early, late = new_post_id(1_750_000_000_000), new_post_id(1_750_000_000_001)
    assert early < late and is_post_id(early)
    assert (ms_of(early), ms_of(late)) == (1_750_000_000_000, 1_750_000_000_001)


def test_what_is_no_id_is_none() -> None:
    good = new_post_id(1)
    assert not any(map(is_post_id, ("", "lobby", good[:-1], good + "0", good.upper() + "G", good[:-1] + "\n")))
