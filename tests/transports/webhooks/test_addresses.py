"""What may be connected to."""

import pytest

from greenroom.transports.webhooks.addresses import PrivateAddress, allowed, is_public, look_up


@pytest.mark.parametrize("address", ["8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"])
def test_public(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "224.0.0.1",
        "255.255.255.255", "::1", "::", "fe80::1%eth0", "fc00::1", "ff02::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1",
        "64:ff9b::7f00:1", "2002:7f00:1::", "240.0.0.1",
    ],
)  # fmt: skip
def test_private(address: str) -> None:
    assert not is_public(address)


def test_of_several_those_that_are_public() -> None:
    assert allowed(["10.0.0.1", "8.8.8.8", "8.8.8.8"], private=False) == ["8.8.8.8"]
    assert allowed(["10.0.0.1", "8.8.8.8"], private=True) == ["10.0.0.1", "8.8.8.8"]
    with pytest.raises(PrivateAddress):
        allowed(["10.0.0.1", "::1"], private=False)


async def test_a_name_that_leads_here_is_refused() -> None:
    with pytest.raises(PrivateAddress):
        await look_up("localhost", 80, private=False)
    assert await look_up("localhost", 80, private=True)
