import json

from bench.load.sending import publish, rpc


def test_a_message_is_a_command_of_a_room_or_a_publication() -> None:
    data = '{"text":"~1.2.3~","idempotency_key":"a"}'
    assert json.loads(rpc(3, "room:a", data)) == {
        "id": 3,
        "rpc": {"method": "room:a/send", "data": {"text": "~1.2.3~", "idempotency_key": "a"}},
    }
    assert json.loads(publish(4, "room:a", '{"text":"hi"}')) == {
        "id": 4,
        "publish": {"channel": "room:a", "data": {"text": "hi"}},
    }
