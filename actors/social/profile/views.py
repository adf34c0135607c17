"""The rows of profiles: `profiles`, of whoever shows many people, by their ids; and `people`, to search."""

from msgspec import Struct

from greenroom.actors.model.errors import Refused
from greenroom.actors.model.principal import Principal
from greenroom.actors.social.profile.events import Changed
from greenroom.actors.social.profile.state import ProfileState
from greenroom.actors.views.columns import Key, Text
from greenroom.actors.views.page import Page
from greenroom.actors.views.view import Origin, View


class Profiles(View, version=1, inline=True):
    """What is shown beside what a user says, by user: for everybody."""

    of = (Changed,)

    class Row(Struct):
        """A user, as they are shown beside what they say."""

        user: Key[str]
        name: str = ""
        avatar: str = ""  # a media id

    entity_key = "user"
    watch = Page(by="user")

    def fold(self, event: Changed, of: Origin) -> None:
        row = self.row(user=of.key)
        row.name = row.name if event.name is None else event.name
        row.avatar = row.avatar if event.avatar is None else event.avatar

    def seed(self, state: ProfileState, of: Origin) -> None:
        row = self.row(user=of.key)
        row.name, row.avatar = state.name, state.avatar

    @classmethod
    def may_watch(cls, principal: Principal, key: str) -> None:
        """Everybody may."""


class People(View, version=1):
    """Everybody who has said who they are, searched by names and bios: for whoever is signed in."""

    of = (Changed,)

    class Row(Struct):
        """A user."""

        user: Key[str]
        name: Text = ""
        bio: Text = ""
        avatar: str = ""  # a media id

    entity_key = "user"
    watch = Page(limit=50)

    def fold(self, event: Changed, of: Origin) -> None:
        row = self.row(user=of.key)
        row.name = row.name if event.name is None else event.name
        row.bio = row.bio if event.bio is None else event.bio
        row.avatar = row.avatar if event.avatar is None else event.avatar

    def seed(self, state: ProfileState, of: Origin) -> None:
        row = self.row(user=of.key)
        row.name, row.bio, row.avatar = state.name, state.bio, state.avatar

    @classmethod
    def may_watch(cls, principal: Principal, key: str) -> None:
        """Whoever is signed in. Raises: Refused."""
        if not principal.user:
            raise Refused("unauthenticated", "to look for people takes a user", status=401)
