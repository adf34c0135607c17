"""People, whom they follow, what they post and are shown: `GREENROOM_ENTITIES=greenroom.social` installs all of it.

Its parts are entities, views and jobs like those of an application; docs/guides/social.md says what each is for.
"""

from greenroom.actors.inbox.view import Notices
from greenroom.actors.social.feed.actor import Feed
from greenroom.actors.social.follows.actor import Follows
from greenroom.actors.social.follows.parting import PartFromAll
from greenroom.actors.social.follows.recount import RecountFollowers
from greenroom.actors.social.follows.views import Authors, Followers, Following
from greenroom.actors.social.inbox import NamedInbox
from greenroom.actors.social.moderation.cases import Case
from greenroom.actors.social.moderation.rules import Rules
from greenroom.actors.social.moderation.view import Cases
from greenroom.actors.social.post.actor import Post
from greenroom.actors.social.post.reactions import Reactions
from greenroom.actors.social.post.trends import Trends
from greenroom.actors.social.post.views import Posts, SaidInPosts, Tagged, Wall, WhoReacted
from greenroom.actors.social.profile.actor import Profile
from greenroom.actors.social.profile.views import People, Profiles
from greenroom.actors.social.ranking.features import Features
from greenroom.actors.social.spread.actor import Spread
from greenroom.actors.social.spread.arrivals import Arrivals
from greenroom.actors.social.spread.jobs import SpreadPage, SpreadPlan
from greenroom.actors.social.spread.readers import Readers
from greenroom.actors.social.spread.unwritten import Unwritten
from greenroom.actors.social.thread.actor import Thread
from greenroom.actors.social.thread.view import Comments
from greenroom.transports.notices.hook import SendHook
from greenroom.transports.notices.mail import SendMail
from greenroom.transports.notices.push import SendPush

__all__ = [
    "Arrivals",
    "Authors",
    "Case",
    "Cases",
    "Comments",
    "Features",
    "Feed",
    "Followers",
    "Following",
    "Follows",
    "NamedInbox",
    "Notices",
    "PartFromAll",
    "People",
    "Post",
    "Posts",
    "Profile",
    "Profiles",
    "Reactions",
    "Readers",
    "RecountFollowers",
    "Rules",
    "SaidInPosts",
    "SendHook",
    "SendMail",
    "SendPush",
    "Spread",
    "SpreadPage",
    "SpreadPlan",
    "Tagged",
    "Thread",
    "Trends",
    "Unwritten",
    "Wall",
    "WhoReacted",
]
