from greenroom.transports.http.prefix import without_prefix


def test_what_is_below_the_prefix_loses_it_and_the_rest_stays() -> None:
    assert without_prefix(b"/chat/api/room/a", b"/chat") == b"/api/room/a"
    assert without_prefix(b"/chat/", b"/chat") == b"/"
    assert without_prefix(b"/apps/chat/docs", b"/apps/chat") == b"/docs"
    for path in (b"/chat", b"/chatter/api", b"/health", b"/api/chat/a"):
        assert without_prefix(path, b"/chat") == path
    assert without_prefix(b"/chat/docs", b"") == b"/chat/docs"
