"""What the runtime brings to actors, as they read it."""

import pytest
from msgspec import Raw

from greenroom.actors.model.errors import Unavailable
from greenroom.actors.model.lifecycle import Answered
from greenroom.store.jobs.sealing import ARGUMENTS, RESULT, CannotOpen, Place, keys_for, seal


def test_an_answer_whose_key_is_not_here_is_refused_for_now() -> None:
    with keys_for(bytes(32)):
        answered = Answered(entity="job:a", about="b", reply=Raw(seal(b"7", Place("job.pay", "a", RESULT))))
        assert answered.decode(int) == 7
    with keys_for():
        with pytest.raises(Unavailable, match="GREENROOM_JOBS_KEYS has none"):
            answered.decode(int)
        with pytest.raises(CannotOpen, match="marked as sealed"):
            Answered(entity="job:a", about="b", reply=Raw(b'{"$sealed": "1.2"}')).decode(int)


def test_what_is_answered_by_others_than_jobs_is_opened_by_nobody() -> None:
    """They may say what somebody has copied, and whoever is answered would be shown what it says."""
    with keys_for(bytes(32)):
        copied = Raw(seal(b"4111", Place("job.pay", "a", RESULT)))
        assert Answered(entity="echo:a", about="b", reply=copied).decode(Raw) == copied


@pytest.mark.parametrize("place", [Place("job.pay", "a", ARGUMENTS), Place("job.pay", "b", RESULT)])
def test_what_a_job_was_given_or_another_one_came_to_is_no_answer_of_it(place: Place) -> None:
    with keys_for(bytes(32)), pytest.raises(CannotOpen, match=f"sealed as {place.what} of the job {place.job}"):
        Answered(entity="job:a", about="b", reply=Raw(seal(b"4111", place))).decode(Raw)
