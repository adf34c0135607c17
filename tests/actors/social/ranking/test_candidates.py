"""Whose posts are suggested."""

from tests.actors.social.ranking.made import candidate


def test_what_a_reader_has_not_asked_for_is_suggested() -> None:
    suggested = [reason for reason in ("following", "own", "suggested", "trending", "tag") if _is_suggested(reason)]
    assert suggested == ["suggested", "trending", "tag"]


def _is_suggested(reason: str) -> bool:
    return candidate(1, reason=reason).is_suggested
