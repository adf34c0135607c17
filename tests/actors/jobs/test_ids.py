"""Ids: of which form, and in which order."""

import uuid

from greenroom.actors.jobs.ids import ID, new_id


def test_an_id_is_a_uuid_of_version_7_with_its_time() -> None:
    for given in (new_id(1_750_000_000_123), new_id(1_750_000_000_123, random=(1 << 74) - 1), new_id(5, random=0)):
        assert ID.fullmatch(given)
        assert uuid.UUID(given).variant == uuid.RFC_4122
        assert uuid.UUID(given).version == 7
    assert int(new_id(1_750_000_000_123)[:12], 16) == 1_750_000_000_123


def test_ids_of_one_process_are_in_the_order_in_which_they_were_made() -> None:
    ids = [new_id(now_ms) for now_ms in (7, 8) for _ in range(2_000)]
    assert sorted(set(ids)) == ids


def test_ids_of_one_millisecond_can_not_be_guessed_from_one_another() -> None:
    first, second, third = (int(new_id(99), 16) for _ in range(3))
    assert second - first != third - second and second - first > 1
