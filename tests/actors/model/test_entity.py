"""Entity names."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenroom.actors.model.entity import KEY_BYTES_MAX, NUDGED_MAX, BadEntity, each_once, split_entity


@pytest.mark.parametrize(
    ("entity", "parts"),
    [
        ("room:lobby", ("room", "lobby")),
        ("a1_b:x", ("a1_b", "x")),
        ("room:@ann+bob", ("room", "@ann+bob")),
        ("room:a:b", ("room", "a:b")),
        ("room: /?#%é😀", ("room", " /?#%é😀")),
        ("room:" + "x" * KEY_BYTES_MAX, ("room", "x" * KEY_BYTES_MAX)),
    ],
)
def test_kind_and_key(entity: str, parts: tuple[str, str]) -> None:
    assert split_entity(entity) == parts


@pytest.mark.parametrize(
    "entity",
    [
        "",
        "room",
        "room:",
        ":lobby",
        "Room:lobby",
        "1room:lobby",
        "_room:x",
        "ro-om:x",
        "room:a\nb",
        "room:\x00",
        "room:\x7f",
        "room:\x85",
        "room:x\n",
        "room:" + "x" * (KEY_BYTES_MAX + 1),
        "room:" + "é" * 128,
        "room:\ud800",
    ],
)
def test_what_is_no_entity(entity: str) -> None:
    with pytest.raises(BadEntity):
        split_entity(entity)


@given(st.text(max_size=300))
def test_any_text_is_split_without_loss_or_refused(text: str) -> None:
    try:
        kind, key = split_entity(text)
    except BadEntity:
        return
    assert f"{kind}:{key}" == text
    assert 1 <= len(key.encode()) <= KEY_BYTES_MAX


def test_the_refusal_of_a_huge_name_is_short() -> None:
    with pytest.raises(BadEntity) as caught:
        split_entity("x" * 100_000)
    assert len(str(caught.value)) < 300


@pytest.mark.bound("entities that are nudged at once")
def test_those_who_are_nudged_are_named_once_and_are_not_too_many() -> None:
    assert each_once(["a:1", "b:2", "a:1"]) == ["a:1", "b:2"]
    most = [f"a:{number}" for number in range(NUDGED_MAX)]
    assert each_once([*most, *most]) == most
    with pytest.raises(ValueError, match="1001 entities"):
        each_once([*most, "a:more"])
    with pytest.raises(BadEntity):
        each_once(["a:1", "a"])
    with pytest.raises(TypeError, match="one entity"):
        each_once("a:1")
