"""What is set after a `limit`, field by field, as its JSON says."""

import msgspec
import pytest

from greenroom.actors.jobs.limits import QueueLimits, Rate
from greenroom.actors.jobs.queue.control import Limit, limited

PRESENT = QueueLimits(concurrency=2, rate=Rate(5), weights={"a": 2, "b": 3})


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("{}", PRESENT),
        ('{"concurrency": 3}', QueueLimits(concurrency=3, rate=Rate(5), weights={"a": 2, "b": 3})),
        ('{"concurrency": null, "rate": null}', QueueLimits(weights={"a": 2, "b": 3})),
        ('{"weights": {"b": null, "c": 4}}', QueueLimits(concurrency=2, rate=Rate(5), weights={"a": 2, "c": 4})),
        ('{"weights": null}', QueueLimits(concurrency=2, rate=Rate(5))),
        (
            '{"rate": {"n": 30, "per_s": 60, "burst": 2}, "on_retry": "block"}',
            QueueLimits(concurrency=2, rate=Rate(30, 60.0, 2), weights={"a": 2, "b": 3}, on_retry="block"),
        ),
    ],
)
def test_what_is_left_out_stays_and_null_takes_it_back(said: str, expected: QueueLimits) -> None:
    assert limited(PRESENT, msgspec.json.decode(said, type=Limit)) == expected


@pytest.mark.parametrize(
    "said",
    [
        '{"concurrency": 0}', '{"rate": {"n": 0}}', '{"rate": {"n": 1, "per_s": 0}}', '{"weights": {"a": 1001}}',
        '{"on_retry": "wait"}', '{"per_key": 1.5}', '{"tiers": {"a": 0}}',
    ],
)  # fmt: skip
def test_what_is_no_limit_is_refused(said: str) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(said, type=Limit)
