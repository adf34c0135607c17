"""The queue that docs/guides/jobs/limits.md declares is one, with the limits that the page speaks of."""

import re
from pathlib import Path

import pytest

from greenroom.actors.jobs.installed import Jobs, jobs_among
from greenroom.actors.jobs.limits import QueueLimits
from greenroom.actors.jobs.queue.control import QueueState
from greenroom.actors.jobs.queue.desk import Desk
from greenroom.actors.jobs.queue.overview import overview
from greenroom.actors.model.kinds import find_classes

PAGE = (Path(__file__).parents[2] / "docs/guides/jobs/limits.md").read_text(encoding="utf-8")


def test_the_queue_on_the_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code = re.search(r"^```python file=transcode.py\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    assert code is not None
    (tmp_path / "transcode.py").write_text(code[1], encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    jobs = Jobs(jobs_among(find_classes("transcode")))
    limits = jobs.limits_of("media")
    assert limits is not None and (limits.concurrency, limits.per_key) == (8, 2)
    (job,) = jobs
    assert job.key_of(b'{"customer":"acme","video":"x"}') == "acme"


def test_the_page_names_all_limits_and_all_that_is_shown() -> None:
    names = {*QueueLimits.__struct_fields__, *overview(QueueState(), Desk("q"), QueueLimits(), 0, 0)}
    assert not [name for name in names if not re.search(rf"`{name}(?:=[^`]*)?`", PAGE)]
