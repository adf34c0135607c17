"""`greenroom.social` gathers all that the domain has."""

import importlib
import pkgutil
from collections.abc import Iterator

import greenroom.actors.inbox
import greenroom.actors.social
import greenroom.transports.notices
from greenroom import social
from greenroom.actors.inbox.actor import Inbox  # whose subclass takes its place
from greenroom.actors.jobs.installed import Jobs, jobs_among
from greenroom.actors.model.kinds import Kinds, actors_among, find_classes
from greenroom.actors.views.installed import Views, views_among

PACKAGES = (greenroom.actors.inbox, greenroom.actors.social, greenroom.transports.notices)


def classes() -> Iterator[type]:
    for package in PACKAGES:
        for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            module = importlib.import_module(found.name)
            yield from (one for one in vars(module).values() if isinstance(one, type) and one.__module__ == found.name)


def test_all_entities_views_and_jobs_are_among_it() -> None:
    found = list(classes())
    jobs = {str(job.__struct_config__.tag): job for job in jobs_among(found)}  # an order, or what carries it out
    there = [*actors_among(found), *views_among(found)]
    named = set(social.__all__)
    assert {one.__name__ for one in there if one is not Inbox} == named - {
        job.__name__ for job in jobs_among(find_classes("greenroom.social"))
    }
    assert {str(job.__struct_config__.tag) for job in jobs_among(find_classes("greenroom.social"))} == jobs.keys()


def test_it_can_be_installed() -> None:
    found = find_classes("greenroom.social")
    kinds = Kinds(actors_among(found))
    Jobs(jobs_among(found))
    assert Views(kinds, views_among(found))
