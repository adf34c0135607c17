"""What the audit of notices makes of what a failover has lost."""

from greenroom.actors.social.post.state import PostState
from greenroom.actors.social.thread.state import ThreadState
from tests.simulation.social.expected import Facts
from tests.simulation.social.noticed import noticed


def test_of_a_post_that_was_lost_nobody_is_to_be_told() -> None:
    """Its thread was asked for, and has no events."""
    facts = Facts({"post:p": PostState(), "thread:p": ThreadState()}, ("ann",), set())
    assert list(noticed(facts, {"thread:p": []})) == []
