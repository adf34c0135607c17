"""The inbox of people who have profiles: it calls them by their names."""

from collections.abc import Sequence

from greenroom.actors.inbox.actor import Inbox
from greenroom.actors.inbox.wording import Words
from greenroom.actors.social.profile.views import Profiles


class NamedInbox(Inbox):
    """An inbox whose mails, pushes and posts say who somebody is, as their profile has it when that is sent."""

    async def words(self, users: Sequence[str]) -> Words:
        rows = await self.query_pages(Profiles.Row, users, limit=1) if users else {}
        return Words(names={user: found[0].name for user, found in rows.items()})
