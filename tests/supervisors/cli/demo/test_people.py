"""Who lives in a made-up world."""

from random import Random
from zoneinfo import ZoneInfo

import msgspec

from greenroom.actors.model.principal import user_id_problem
from greenroom.actors.social.profile.messages import Set
from greenroom.supervisors.cli.demo.people import CULTURES, TOPICS, person


def test_everybody_is_somebody_whom_a_profile_takes() -> None:
    people = [person(number, Random(number)) for number in range(500)]
    for one in people:
        fields = {"name": one.name, "bio": one.bio, "timezone": one.zone, "language": one.language}
        msgspec.convert(fields, Set)
        assert not user_id_problem(one.user) and one.user.isascii() and one.user.isalnum()
    assert len({one.user for one in people}) == len(people)
    assert {one.topic for one in people} == set(range(len(TOPICS)))


def test_names_are_in_many_scripts_and_each_in_one() -> None:
    scripts = {culture.family[0][0] for culture in CULTURES}
    assert len({one for one in scripts if not one.isascii()}) >= 8
    for culture in CULTURES:
        for zone in culture.zones:
            ZoneInfo(zone)
        for name, spelled in culture.given:
            assert name and spelled.isascii() and spelled.isalpha(), (name, spelled)
