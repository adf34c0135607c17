"""What inboxes are told of posts."""

from greenroom.actors.social.notices import notice, notice_id
from greenroom.actors.social.texts import PREVIEW_CHARS

POST = "0" * 32


def test_what_happens_twice_is_one_notice_and_is_withdrawn_by_its_id() -> None:
    assert notice("like", POST, "bob", at_ms=1) == notice("like", POST, "bob", at_ms=1)
    assert notice("like", POST, "bob", at_ms=1).id == notice_id("like", POST, "bob") != notice_id("like", POST, "cat")
    assert notice_id("comment", POST, "bob", "3") != notice_id("comment", POST, "bob", "4")


def test_those_of_a_kind_are_one_group_unless_another_is_said() -> None:
    assert notice("like", POST, "bob", at_ms=1).group == notice("like", POST, "cat", at_ms=1).group
    assert (
        notice("like", POST, "bob", at_ms=1, of="3", group=f"like:{POST}:3").group
        != notice("like", POST, "bob", at_ms=1).group
    )


def test_only_the_beginning_of_a_text_goes_along_and_the_longest_name_fits() -> None:
    said = notice("mention", POST, "b" * 255, at_ms=1, of="9" * 16, text="x" * 5_000)
    assert said.at_ms == 1
    assert len(said.text) == PREVIEW_CHARS <= 200 and len(said.id) <= 400
