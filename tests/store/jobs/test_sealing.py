"""What is sealed, and who opens it."""

import json

import pytest
from msgspec import Raw

from greenroom.actors.model.lifecycle import Answered
from greenroom.store.jobs.sealing import (
    CannotOpen,
    NoKeys,
    NotOpenedHere,
    has_keys,
    is_sealed,
    key_id,
    keys_for,
    opened,
    opened_if_sealed,
    seal,
)

OLD, NEW = bytes(range(32)), bytes(range(1, 33))
PLAIN = b'{"card": "4111"}'


def test_it_is_opaque_each_time_anew_and_opened_by_whoever_has_the_key() -> None:
    with keys_for(OLD):
        first, second = seal(PLAIN, "job.pay"), seal(PLAIN, "job.pay")
        assert first != second and b"4111" not in first and is_sealed(first) and json.loads(first)["of"] == "job.pay"
        assert opened(first, "job.pay") == opened(second) == PLAIN
        spaced = json.dumps(json.loads(first)).encode()  # as a column of jsonb brings it back
        assert is_sealed(spaced) and opened(spaced) == PLAIN
        assert Answered(entity="job:a", about="b", reply=Raw(first)).decode(dict[str, str]) == {"card": "4111"}
    with keys_for():
        assert not has_keys()


def test_the_first_key_seals_and_all_of_them_open() -> None:
    with keys_for(OLD):
        before = seal(PLAIN, "job.pay")
    with keys_for(NEW, OLD):
        assert opened(before) == PLAIN
        after = seal(PLAIN, "job.pay")
    with keys_for(NEW):
        assert opened(after) == PLAIN
        with pytest.raises(CannotOpen, match=f"with the key {key_id(OLD)}, and GREENROOM_JOBS_KEYS has {key_id(NEW)}"):
            opened(before)


def changed(sealed: bytes, **fields: str) -> bytes:
    return json.dumps(
        json.loads(sealed) | {name.replace("text", "$sealed"): value for name, value in fields.items()}
    ).encode()


def test_what_is_not_as_it_was_sealed_is_not_opened() -> None:
    with keys_for(OLD):
        sealed = seal(PLAIN, "job.pay")
        text = json.loads(sealed)["$sealed"]
        for wrong, why in (
            (changed(sealed, of="job.other"), "is not what the key"),
            (changed(sealed, text=text[:-8] + "AAAAAAA="), "is not what the key"),
            (changed(sealed, text=f"2.{text[2:]}"), "a later release"),
            (changed(sealed, text="1.2"), "is marked as sealed"),
            (changed(sealed, text=text[:10] + ".é"), "is marked as sealed"),
        ):
            with pytest.raises(CannotOpen, match=why) as raised:
                opened(wrong)
            assert "4111" not in str(raised.value)
            assert isinstance(raised.value, NotOpenedHere) == (why == "a later release"), "others may open it"
        with pytest.raises(CannotOpen, match=r"sealed as job\.pay"):
            opened(sealed, "job.other")


def test_what_is_not_sealed_is_as_it_is() -> None:
    assert opened_if_sealed(PLAIN) == PLAIN and not is_sealed(b"{}")


def test_without_a_key_nothing_is_stored_in_the_clear() -> None:
    with keys_for(), pytest.raises(NoKeys, match="GREENROOM_JOBS_KEYS is unset"):
        seal(PLAIN, "job.pay")
