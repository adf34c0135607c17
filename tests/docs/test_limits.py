"""Numbers on the pages of rooms and sessions are the code's: those that `entities.md` prints stand there alone."""

import re
from pathlib import Path

import pytest

from greenroom.actors.chat.room.actor import UNSUBSCRIBED
from greenroom.actors.chat.room.state import WINDOW
from greenroom.actors.chat.room.view import MEMBERS_SHOWN, MESSAGES_BYTES_MAX, MUTED_SHOWN
from greenroom.actors.identity.session import (
    CHANNELS_MAX,
    CONNECTIONS_SHOWN,
    READ_BYTES_MAX,
    SIGNED_OUT,
    STRANGERS_PER_DAY,
)
from greenroom.actors.model.notice import NOTICE_BYTES_MAX
from greenroom.transports.auth.sign_outs import REMEMBERED_S
from greenroom.transports.client.codes import NOT_PERMITTED
from tests.docs.test_links import FENCED, LINK, TICKED

DOCS = Path(__file__).parents[2] / "docs"
SAID = {
    "reference/rooms.md": (
        f"(code {UNSUBSCRIBED})",
        f"The newest {WINDOW} messages, or as many of them as fit in {MESSAGES_BYTES_MAX >> 10} KiB of JSON",
        f"the {MEMBERS_SHOWN} longest-standing members and the first {MUTED_SHOWN} muted",
    ),
    "reference/sessions.md": (
        f"{STRANGERS_PER_DAY} a day are kept",
        f"the newest {CHANNELS_MAX:,} channels",
        f"with code {SIGNED_OUT}, ",
        f"at most {CONNECTIONS_SHOWN} connections",
        f"as many as fit in {READ_BYTES_MAX >> 10} KiB of JSON",
        f"remembered for up to {REMEMBERED_S:g} seconds",
        f"(401), a connect with one with {NOT_PERMITTED.code}",
    ),
}


def prose(page: str) -> str:
    text = FENCED.sub("", (DOCS / page).read_text(encoding="utf-8"))
    return " ".join(TICKED.sub("", LINK.sub("", text)).split())


def numbers(text: str) -> set[str]:
    return set(re.findall(r"(?<![\w+-])\d[\d,]*\d\b", text))


@pytest.mark.parametrize("page", SAID)
def test_every_number_is_the_codes(page: str) -> None:
    text = " ".join(prose(page).split())
    assert not [said for said in SAID[page] if said not in text]
    assert numbers(text) <= numbers(" ".join(SAID[page])), "printed in entities.md, or another line of SAID"


def test_a_notice_is_as_large_as_the_guide_says() -> None:
    guide = (DOCS / "guides/writing-an-entity.md").read_text(encoding="utf-8")
    assert f"shows any JSON of {NOTICE_BYTES_MAX >> 10} KiB on every device" in guide
