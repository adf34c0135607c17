"""What `greenroom forget` says of what holds it up; what it does, tests of processes see."""

from greenroom.store.erasure.remaking import Waits
from greenroom.supervisors.cli.forget import WITHOUT, _not_done
from greenroom.supervisors.erasure.first import NotFirst


def test_only_where_a_job_comes_first_it_says_how_to_go_on_without() -> None:
    assert str(_not_done(NotFirst("x is failed"))).endswith(f"x is failed. The same command goes on with it. {WITHOUT}")
    assert "--without-jobs" not in str(_not_done(Waits("a node did not say that it has ended there")))
