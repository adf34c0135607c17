"""The kinds and the views that a command works with: Greenroom's own, and those of whoever runs it."""

import sys
from pathlib import Path

from greenroom.actors.chat.room import Room
from greenroom.actors.chat.views import Conversations, Messages, Rooms
from greenroom.actors.identity import Session
from greenroom.actors.jobs.installed import Jobs, jobs_among
from greenroom.actors.jobs.job import Job
from greenroom.actors.jobs.queue import queue_of
from greenroom.actors.jobs.schedule import Book, schedule_of
from greenroom.actors.jobs.schedule.declared import DeclaredSchedule, check_declared, declared_in
from greenroom.actors.jobs.single import SingleJob
from greenroom.actors.model.kinds import BadEntityClass, Kinds, actors_among, find_classes
from greenroom.actors.saga import listed
from greenroom.actors.sinks.installed import Sinks, sinks_among
from greenroom.actors.views.entities import entities_of
from greenroom.actors.views.installed import Views, views_among
from greenroom.actors.views.view import View
from greenroom.config.settings import Settings
from greenroom.config.settings.forms import keys_of
from greenroom.store.jobs.sealing import has_keys, use_keys
from greenroom.supervisors.cli.terminal.plainly import BAD_USAGE, Trouble


def installed_kinds(settings: Settings) -> Kinds:
    """Greenroom's own entities, then those of GREENROOM_ENTITIES, which may lie in the folder one stands in.

    Raises: BadEntityClass.
    """
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.append(here)  # last: what we import later, a `redis` or a `code`, must not be a file that lies there
    jobs = installed_jobs(settings)
    kinds = built_in_kinds(jobs)
    if settings.media is not None:  # others need not import them
        from greenroom.actors.media.actor import Media
        from greenroom.actors.media.uploads import Uploads
        from greenroom.store.objects.objects import library_problem

        if problem := library_problem():
            raise BadEntityClass(f"GREENROOM_MEDIA: {problem}")
        kinds.install(Media)
        kinds.install(Uploads)
    for path in settings.entities:
        classes = find_classes(path)
        actors = actors_among(classes)
        holds = actors or views_among(classes) or sinks_among(classes) or jobs_among(classes) or declared_in([path])
        if not holds:
            raise BadEntityClass(
                f"GREENROOM_ENTITIES: {path!r} holds no entity class (a subclass of Actor), no view (one of View), no "
                "sink (one of Sink), no job (one of Job), and declares no schedule"
            )
        for actor in actors:
            kinds.install(actor)
    installed_schedules(settings, jobs)
    return kinds


def installed_views(settings: Settings, kinds: Kinds) -> Views:
    """Greenroom's own views as GREENROOM_BUILT_IN_VIEWS has them, then those of GREENROOM_ENTITIES, over the installed
    kinds. Raises: BadEntityClass."""
    names = set(settings.built_in_views)
    if not listed.are_installed(kinds):
        names.discard(listed.Sagas.name)
    views = [built_in_view(name, kinds) for name in sorted(names)]
    return Views(kinds, [*views, *(view for path in settings.entities for view in views_among(find_classes(path)))])


def installed_sinks(settings: Settings, views: Views) -> Sinks:
    """Those of GREENROOM_ENTITIES, over the kinds of the views. Raises: BadEntityClass."""
    sinks = [sink for path in settings.entities for sink in sinks_among(find_classes(path))]
    return Sinks(views.kinds, sinks, views)


def installed_jobs(settings: Settings) -> Jobs:
    """With GREENROOM_MEDIA its own, then those of GREENROOM_ENTITIES; from now on with the keys of those that are
    encrypted. Raises: BadEntityClass."""
    use_keys(keys_of(settings.jobs_keys))
    own: tuple[type[Job], ...] = ()
    if settings.media is not None:
        from greenroom.actors.media.jobs import MEDIA_JOBS

        own = MEDIA_JOBS
    return Jobs([*own, *(job for path in settings.entities for job in jobs_among(find_classes(path)))])


def require_job_keys(jobs: Jobs) -> None:
    """Raises: Trouble, where some are encrypted and there is no key."""
    encrypted = next((one.tag for one in jobs if one.job.encrypts), None)
    if encrypted is not None and not has_keys():
        raise Trouble(f"GREENROOM_JOBS_KEYS: must be set, for {encrypted} is encrypted", status=BAD_USAGE)


def installed_schedules(settings: Settings, jobs: Jobs) -> list[DeclaredSchedule]:
    """Those that the modules of GREENROOM_ENTITIES declare. Raises: BadEntityClass."""
    return check_declared(declared_in(settings.entities), jobs)


def built_in_view(name: str, kinds: Kinds) -> type[View]:
    """`kinds`: all that are installed. Raises: KeyError."""
    if name == "entities":
        return entities_of(kinds)
    return {view.name: view for view in (Conversations, Messages, Rooms, listed.Sagas)}[name]


def built_in_kinds(jobs: Jobs | None = None) -> Kinds:
    """Those that every server has; its queues know these classes of jobs."""
    known = jobs if jobs is not None else Jobs()
    return Kinds([Room, Session, queue_of(known), SingleJob, schedule_of(known), Book])
