"""Jobs that say what of their arguments is about a user."""

from greenroom import Job, Personal, Subject, Work


class Greet(Job, queue="mail", tag="job.greet"):
    """Says whom it is about."""

    to: Subject
    text: Personal[str]
    size: int = 0

    async def run(self, work: Work) -> None:
        return None


class Export(Job, queue="mail", tag="job.export"):
    """Is about whoever it is done for."""

    wish: Personal[str]

    async def run(self, work: Work) -> None:
        return None
