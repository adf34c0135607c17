import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenroom.transports.client import codes
from greenroom.transports.client.codes import DisconnectCode, ErrorCode


@given(st.text(max_size=50), st.integers(0, 2**32 - 1), st.booleans())
def test_an_error_reply_is_one_line_of_json(message: str, number: int, temporary: bool) -> None:
    try:
        message.encode()
    except UnicodeEncodeError:
        return
    reply = ErrorCode(107, message, temporary).reply(number)
    assert b"\n" not in reply
    error = {"code": 107, "message": message} | ({"temporary": True} if temporary else {})
    assert json.loads(reply) == {"id": number, "error": error}


def test_codes_with_temporary_are_those_of_the_protocol_and_reasons_are_words() -> None:
    errors = [one for one in vars(codes).values() if isinstance(one, ErrorCode)]
    assert {one.code for one in errors if one.temporary} == {100, 111}
    ends = [one for one in vars(codes).values() if isinstance(one, DisconnectCode)]
    assert len(ends) > 10
    for end in ends:
        assert 3000 <= end.code <= 4999
        assert 0 < len(end.reason.encode()) < 124
        with pytest.raises(ValueError, match="Expecting value"):
            json.loads(end.reason)
