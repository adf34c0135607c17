"""Signing: what a webhook carries, so that its receiver knows from whom it is, and which.

As Standard Webhooks has it: `webhook-id`, `webhook-timestamp` (Unix seconds) and `webhook-signature`, which is
`v1,` and the HMAC-SHA256 of `id.timestamp.body` in base64; with two secrets two of them, a space between.
Source: https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

import hmac
from base64 import b64decode, b64encode
from collections.abc import Iterable, Sequence
from hashlib import sha256


def keys_of(secrets: str) -> tuple[bytes, ...]:
    """Of secrets as they are set: `whsec_…`, separated by spaces. Raises: ValueError."""
    return tuple(b64decode(one.removeprefix("whsec_"), validate=True) for one in secrets.split())


def id_of(name: str, positions: Iterable[tuple[str, str, int]]) -> str:
    """Of a batch to the sink `name`: the same whenever the same events are delivered together. `positions`: of each
    its entity, epoch and offset."""
    digest = sha256(name.encode())
    for entity, epoch, offset in positions:
        digest.update(f"\n{entity}\t{epoch}\t{offset}".encode())
    return f"msg_{digest.hexdigest()[:32]}"


def signed(id_: str, at_s: int, body: bytes, keys: Sequence[bytes]) -> list[tuple[str, str]]:
    """The headers."""
    content = f"{id_}.{at_s}.".encode() + body
    signatures = [f"v1,{b64encode(hmac.digest(key, content, 'sha256')).decode()}" for key in keys]
    return [
        ("webhook-id", id_),
        ("webhook-timestamp", str(at_s)),
        ("webhook-signature", " ".join(signatures)),
    ]
