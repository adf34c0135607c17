"""Nothing stands behind the end of a pattern, in any message of ours."""

from typing import Annotated

import msgspec
import pytest
from msgspec import Meta

from greenroom.actors.media.messages import Digest
from greenroom.actors.model.patterns import END
from greenroom.actors.social.feed.messages import MediaId, PostId


@pytest.mark.parametrize(("kind", "text"), [(PostId, "0" * 32), (MediaId, "0" * 24), (Digest, "0" * 64)])
def test_a_line_behind_an_id_is_no_part_of_it(kind: object, text: str) -> None:
    assert msgspec.convert(text, kind) == text
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(text + "\n", kind)


def test_the_end_is_the_end() -> None:
    assert msgspec.convert("ab", Annotated[str, Meta(pattern="^ab" + END)]) == "ab"
