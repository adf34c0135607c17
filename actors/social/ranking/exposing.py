"""What a feed tells features of a post that it has shown, as it was scored then."""

from greenroom.actors.social.feed.messages import Signal
from greenroom.actors.social.ranking.messages import Exposure
from greenroom.actors.social.ranking.models import Chosen
from greenroom.actors.social.ranking.order import LIGHT, Ranked
from greenroom.actors.social.ranking.values import logged


def exposure(signal: Signal, one: Ranked, chosen: Chosen) -> Exposure:
    """`one` is the signal's post as it was ranked, by what was chosen then."""
    return Exposure(
        signal=signal,
        author=one.author,
        score=one.score,
        model=chosen.model.version if chosen.model is not None and one.values else LIGHT,
        experiment=chosen.experiment,
        features=logged(one.values) if one.values and signal.did == "seen" else {},
    )
