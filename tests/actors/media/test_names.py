"""Which objects are a media's own."""

import pytest

from greenroom.actors.media.names import ID, is_below, new_id, object_name, part_name, parts_of, prefix_of


def test_its_objects_are_below_its_id() -> None:
    media = new_id()
    assert ID.fullmatch(media) and parts_of(media).startswith(prefix_of(media))
    assert is_below(part_name(media, 5), parts_of(media))
    assert is_below(object_name(media, "thumb", "ab" * 32, ".webp"), prefix_of(media))
    assert part_name(media, 5) != part_name(media, 5)


@pytest.mark.parametrize("name", ["{}/../a", "{}/./a", "{}/a//b", "{}/", "{}", "", "/", "{}x/a"])
def test_what_goes_elsewhere_is_not_below_it(name: str) -> None:
    media = new_id()
    assert not is_below(name.format(media), prefix_of(media))


@pytest.mark.parametrize("media", ["", "..", "a" * 24 + "/", "A" * 24, "a" * 23, "a" * 24 + "\n"])
def test_what_is_no_id_has_no_objects(media: str) -> None:
    for where in (prefix_of, parts_of):
        with pytest.raises(ValueError, match="no id"):
            where(media)
