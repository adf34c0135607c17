"""A score, feature by feature: what was added to its margin by what, the most first."""

from greenroom.actors.social.ranking.light import explained_light
from greenroom.actors.social.ranking.messages import Explained, Part
from greenroom.actors.social.ranking.model import Model, logistic
from greenroom.actors.social.ranking.order import LIGHT
from greenroom.actors.social.ranking.values import FEATURES, unpacked


def explained(values: bytes, model: Model | None) -> Explained:
    """Of a post that was scored by these values, with that model; None is the light score."""
    base, added = explained_light(values) if model is None else model.explained(values)
    known = dict(zip(FEATURES, unpacked(values), strict=True))
    parts = [Part(name, known[name], by) for name, by in added.items() if by]
    parts.sort(key=lambda part: (-abs(part.adds), part.feature))
    score = logistic(base + sum(added.values()))
    return Explained(score=score, model=LIGHT if model is None else model.version, base=base, parts=parts)
