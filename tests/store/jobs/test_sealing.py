"""What is sealed, and who opens it."""

import json
from base64 import b64encode

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from msgspec import Raw

from greenroom.actors.model.lifecycle import Answered
from greenroom.store.jobs.sealing import (
    ARGUMENTS,
    RESULT,
    CannotOpen,
    NoKeys,
    NotOpenedHere,
    Place,
    as_step,
    has_keys,
    is_for,
    is_sealed,
    key_id,
    keys_for,
    opened,
    opened_if_sealed,
    seal,
)

OLD, NEW = bytes(range(32)), bytes(range(1, 33))
PLAIN = b'{"card": "4111"}'
JOB, OTHER = "a" * 32, "b" * 32
PLACE, ANYWHERE = Place("job.pay", JOB, RESULT), Place("", "", "")


def test_it_is_opaque_each_time_anew_and_opened_by_whoever_has_the_key() -> None:
    with keys_for(OLD):
        first, second = seal(PLAIN, PLACE), seal(PLAIN, PLACE)
        assert first != second and b"4111" not in first and is_sealed(first) and json.loads(first)["of"] == "job.pay"
        assert opened(first, PLACE) == opened(second, ANYWHERE) == PLAIN
        spaced = json.dumps(json.loads(first)).encode()  # as a column of jsonb brings it back
        assert is_sealed(spaced) and opened(spaced, PLACE) == PLAIN
        assert Answered(entity=f"job:{JOB}", about="b", reply=Raw(first)).decode(dict[str, str]) == {"card": "4111"}
    with keys_for():
        assert not has_keys()


def test_the_first_key_seals_and_all_of_them_open() -> None:
    with keys_for(OLD):
        before = seal(PLAIN, PLACE)
    with keys_for(NEW, OLD):
        assert opened(before, PLACE) == PLAIN
        after = seal(PLAIN, PLACE)
    with keys_for(NEW):
        assert opened(after, PLACE) == PLAIN
        with pytest.raises(CannotOpen, match=f"with the key {key_id(OLD)}, and GREENROOM_JOBS_KEYS has {key_id(NEW)}"):
            opened(before, PLACE)


def changed(sealed: bytes, **fields: str) -> bytes:
    return json.dumps(
        json.loads(sealed) | {name.replace("text", "$sealed"): value for name, value in fields.items()}
    ).encode()


def test_what_is_not_as_it_was_sealed_is_not_opened() -> None:
    with keys_for(OLD):
        sealed = seal(PLAIN, PLACE)
        text = json.loads(sealed)["$sealed"]
        for wrong, why in (
            (changed(sealed, of="job.other"), "is not what the key"),
            (changed(sealed, job=OTHER), "is not what the key"),
            (changed(sealed, **{"as": ARGUMENTS}), "is not what the key"),
            (changed(sealed, text=text[:-8] + "AAAAAAA="), "is not what the key"),
            (changed(sealed, text=f"3.{text[2:]}"), "a later release"),
            (changed(sealed, text="1.2"), "is marked as sealed"),
            (changed(sealed, text=text[:10] + ".é"), "is marked as sealed"),
        ):
            with pytest.raises(CannotOpen, match=why) as raised:
                opened(wrong, ANYWHERE)
            assert "4111" not in str(raised.value)
            assert isinstance(raised.value, NotOpenedHere) == (why == "a later release"), "others may open it"
        with pytest.raises(CannotOpen, match=r"sealed as job\.pay"):
            opened(sealed, Place("job.other", JOB, RESULT))


def test_what_is_not_sealed_is_as_it_is() -> None:
    assert opened_if_sealed(PLAIN, PLACE) == PLAIN and not is_sealed(b"{}")


def test_without_a_key_nothing_is_stored_in_the_clear() -> None:
    with keys_for(), pytest.raises(NoKeys, match="GREENROOM_JOBS_KEYS is unset"):
        seal(PLAIN, PLACE)


PLACES = [
    PLACE,
    Place("job.pay", OTHER, RESULT),
    Place("job.pay", JOB, ARGUMENTS),
    Place("job.pay", JOB, as_step("a")),
    Place("job.pay", JOB, as_step("b")),
]


def test_nothing_opens_where_it_was_not_sealed_for() -> None:
    with keys_for(OLD):
        for sealed_for in PLACES:
            sealed = seal(PLAIN, sealed_for)
            for place in PLACES:
                assert is_for(sealed, place) is (place == sealed_for)
                if place == sealed_for:
                    assert opened(sealed, place) == PLAIN
                    continue
                with pytest.raises(CannotOpen, match=f"sealed as {sealed_for.what} of the job {sealed_for.job}"):
                    opened(sealed, place)
                forged = changed(sealed, job=place.job, **{"as": place.what})  # so it says, and is not
                with pytest.raises(CannotOpen, match="is not what the key"):
                    opened(forged, place)


def test_what_the_release_before_has_sealed_opens_as_its_class_says() -> None:
    """It said nothing else: so it still stands anywhere in that class."""
    nonce = bytes(12)
    text = b64encode(nonce + AESGCM(OLD).encrypt(nonce, PLAIN, b"job.pay")).decode()
    stored = json.dumps({"$sealed": f"1.{key_id(OLD)}.{text}", "of": "job.pay"}).encode()
    with keys_for(OLD):
        for place in PLACES:
            assert is_for(stored, place) and opened(stored, place) == PLAIN
        with pytest.raises(CannotOpen, match=r"sealed as job\.pay"):
            opened(stored, Place("job.other", JOB, RESULT))
        as_bound = changed(stored, text=f"2.{key_id(OLD)}.{text}", job=JOB, **{"as": RESULT})
        with pytest.raises(CannotOpen, match="is not what the key"):
            opened(as_bound, PLACE)
    with keys_for(NEW), pytest.raises(NotOpenedHere):  # whose keys are changed has no such texts any more
        opened(stored, PLACE)
