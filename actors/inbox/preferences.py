"""Preferences: how soon each channel tells of each kind of notice, where its user has said nothing else."""

from collections.abc import Mapping
from typing import Final, get_args

from greenroom.actors.inbox.messages import Channel, NoticeKind, Pace

KINDS: Final[tuple[NoticeKind, ...]] = get_args(NoticeKind)
CHANNELS: Final[tuple[Channel, ...]] = get_args(Channel)
OUTSIDE: Final[tuple[Channel, ...]] = ("mail", "push", "hook")  # those that leave through a job

# Somebody speaks to its user, or waits for them: that goes out at once, and by mail a day's worth together.
_PERSONAL = frozenset(("comment", "reply", "mention", "follow", "request", "accepted", "moderation", "other"))

Preferences = Mapping[str, Mapping[str, Pace]]  # by kind and channel


def default_of(kind: str, channel: str) -> Pace:
    if channel in ("live", "hook"):  # a hook is there only where its user has set one
        return "now"
    if kind not in _PERSONAL:
        return "off"
    return "now" if channel == "push" else "daily"


def pace_of(preferences: Preferences, kind: str, channel: str) -> Pace:
    said = preferences.get(kind)
    return default_of(kind, channel) if said is None or channel not in said else said[channel]


def table_of(preferences: Preferences) -> dict[str, dict[str, Pace]]:
    """All of it, for whoever shows it."""
    return {kind: {channel: pace_of(preferences, kind, channel) for channel in CHANNELS} for kind in KINDS}
