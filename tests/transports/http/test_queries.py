"""What the query of a read says."""

import pytest

from greenroom.transports.errors import BadRequest
from greenroom.transports.http.queries import history_range, sureness_of
from greenroom.transports.hub.reading import HistoryRange


def test_how_sure_a_read_is_to_be() -> None:
    assert (sureness_of(b""), sureness_of(b"read=fast"), sureness_of(b"read=verified")) == (
        "leased",
        "fast",
        "verified",
    )
    with pytest.raises(BadRequest, match="read must be"):
        sureness_of(b"read=sure")


def test_which_stretch_of_a_history_is_meant() -> None:
    assert history_range(b"since=e:5&limit=7&reverse=true", 9) == HistoryRange("e", 5, 7, True)
    assert history_range(b"", 9) == HistoryRange("", 0, 9, False)


@pytest.mark.parametrize("query", [b"since=-1", b"limit=0", b"limit=10", b"reverse=maybe"])
def test_what_is_none_is_refused_by_its_name(query: bytes) -> None:
    with pytest.raises(BadRequest, match=query.partition(b"=")[0].decode()):
        history_range(query, 9)
