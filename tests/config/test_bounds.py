"""What a client may say at once has to fit, whatever is set."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from greenroom.config.bounds import connect_bytes, event_head_bytes
from greenroom.config.limits import ClientConfig, GateConfig
from greenroom.config.settings import SettingsError, load_settings


def test_the_defaults_fit() -> None:
    client, gate = ClientConfig(), GateConfig()
    channel_bytes_max = client.channel_bytes_max
    assert client.command_bytes_max >= connect_bytes(
        subscriptions_max=client.subscriptions_max, channel_bytes_max=channel_bytes_max
    )
    assert gate.head_bytes_max >= event_head_bytes(channel_bytes_max=channel_bytes_max)


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 100_000), st.integers(1, 255))
def test_settings_with_which_clients_would_not_get_in_are_refused_by_name(subscriptions: int, channel: int) -> None:
    most = {"client_subscriptions_max": subscriptions, "client_channel_bytes_max": channel}
    command = connect_bytes(subscriptions_max=subscriptions, channel_bytes_max=channel)
    head = event_head_bytes(channel_bytes_max=channel)
    fits = load_settings(**most, client_command_bytes_max=command, gate_head_bytes_max=head)
    assert fits.client.command_bytes_max == command
    with pytest.raises(SettingsError) as caught:
        load_settings(**most, client_command_bytes_max=command - 1, gate_head_bytes_max=head - 1)
    of_command, of_head = caught.value.problems
    assert of_command.startswith(f"GREENROOM_CLIENT_COMMAND_BYTES_MAX: must be at least {command}")
    assert "GREENROOM_CLIENT_SUBSCRIPTIONS_MAX" in of_command
    assert of_head.startswith(f"GREENROOM_GATE_HEAD_BYTES_MAX: must be at least {head}")
    assert "GREENROOM_CLIENT_CHANNEL_BYTES_MAX" in of_head
