import pytest

from bench.questions.http import answered

WHOLE = b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\ncontent-length: 12\r\n\r\n{"offset":7}'


def test_a_response_counts_when_it_is_whole() -> None:
    assert answered(WHOLE) == 200
    assert [answered(WHOLE[:cut]) for cut in range(len(WHOLE))] == [0] * len(WHOLE)
    assert answered(b"HTTP/1.1 429 Too Many Requests\r\nContent-Length: 0\r\n\r\n") == 429


@pytest.mark.parametrize(
    "wrong", [WHOLE + b"x", b"HTTP/1.1 200 OK\r\n\r\n", b"SSH-2.0 hello\r\nContent-Length: 0\r\n\r\n"]
)
def test_anything_else_is_an_error(wrong: bytes) -> None:
    with pytest.raises(ValueError):
        answered(wrong)
