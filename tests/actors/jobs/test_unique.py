"""The keys that classes of jobs make."""

import msgspec
import pytest

from greenroom import Job, Unique
from greenroom.actors.jobs.options import UniqueKey


class Cut(Job, queue="media", tag="job.cut"):
    video: str
    height: int = 720
    note: str = ""
    unique = Unique("video", "height")


class Paste(Cut, queue="media", tag="job.paste"):
    pass


def key(job: Cut) -> UniqueKey:
    assert job.unique is not None
    return job.unique.key_of(job)


def test_jobs_of_one_class_with_the_same_values_have_one_key() -> None:
    assert key(Cut(video="a", note="x")) == key(Cut(video="a", note="y"))
    others = [Cut(video="b"), Cut(video="a", height=480), Paste(video="a"), Cut(video='a",720')]
    assert len({key(job).key for job in (Cut(video="a"), *others)}) == 5


def test_without_fields_there_is_one_of_the_class() -> None:
    one = Unique(mode="throttle", ttl_s=60.0)
    assert one.key_of(Cut(video="a")) == one.key_of(Cut(video="b"))
    assert one.key_of(Cut(video="a")).mode == "throttle" and one.key_of(Cut(video="a")).ttl_s == 60.0


def test_a_key_fits_however_long_the_values_are() -> None:
    assert len(key(Cut(video="x" * 10_000)).key) < 255


@pytest.mark.parametrize("given", [{"mode": "never"}, {"mode": "throttle"}, {"mode": "debounce"}, {"ttl_s": -1.0}])
def test_what_is_out_of_bounds_is_refused_where_the_class_is_made(given: dict[str, object]) -> None:
    with pytest.raises((ValueError, msgspec.ValidationError)):
        Unique("video", **given)  # type: ignore[arg-type]
