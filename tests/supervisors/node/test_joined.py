"""What operators see of a link."""

import pytest

from greenroom.supervisors.node.joined import link_shown
from greenroom.transports.bus.carried_links import LinkState


@pytest.mark.parametrize(
    ("link", "shown", "held"),
    [
        (None, "none yet", 0),
        (LinkState(silent=False, held_frames=0, held_bytes=0), "ok", 0),
        (LinkState(silent=True, held_frames=2, held_bytes=9), "no answer", 9),
    ],
)
def test_a_link_in_a_word(link: LinkState | None, shown: str, held: int) -> None:
    assert link_shown(link) == {"link": shown, "link_held_bytes": held}
