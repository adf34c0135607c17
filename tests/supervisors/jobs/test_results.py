"""What is kept of what a job returned."""

import pytest
from msgspec import Raw

from greenroom.supervisors.jobs.results import NULL, RESULT_MAX, BadResult, encode_result


def test_json_is_kept() -> None:
    assert encode_result({"a": [1, None]}) == Raw(b'{"a":[1,null]}')
    assert encode_result(None) is NULL
    assert encode_result(Raw(b"[1]")) == Raw(b"[1]")
    assert len(encode_result("x" * (RESULT_MAX - 2))) == RESULT_MAX


@pytest.mark.parametrize("result", [object(), "x" * (RESULT_MAX - 1), float("inf"), "\ud800", [[object()]]])
def test_what_is_none_says_so(result: object) -> None:
    with pytest.raises(BadResult, match="the step"):
        encode_result(result, of="the step")


def test_an_object_whose_text_raises_is_no_json_either() -> None:
    class Bad:
        def __repr__(self) -> str:
            raise ValueError("no")

    with pytest.raises(BadResult):
        encode_result(Bad())
