"""Who may do what to people, posts and feeds: the tables of `permissions` that are about `greenroom.social`.
`test_permissions` walks every cell on a real server.

Columns are as those of the other tables: the anonymous, a stranger, and people around an author. One `follower`, a
`close` friend who follows too, one whom the author has `blocked` and one whom they have `muted`. Of what is somebody's,
it is the author's.
"""

from typing import Final

PROFILE = """
                        anonymous       stranger  follower  close     blocked   muted     author moderator service viewer    admin
read                    yes             yes       yes       yes       yes       yes       yes    yes       yes     yes       yes
set                     unauthenticated not_yours not_yours not_yours not_yours not_yours yes    not_yours yes     not_yours yes
read what only they see unauthenticated not_yours not_yours not_yours not_yours not_yours yes    not_yours yes     not_yours yes
"""  # noqa: E501 - a table

FOLLOWS = """
                                        anonymous       stranger  follower  close     blocked   muted     author     moderator service    viewer    admin
read                                    unauthenticated not_yours not_yours not_yours not_yours not_yours yes        not_yours yes        not_yours yes
change                                  unauthenticated not_yours not_yours not_yours not_yours not_yours yes        not_yours yes        not_yours yes
accept or decline who has not asked     unauthenticated not_yours not_yours not_yours not_yours not_yours no_request not_yours no_request not_yours no_request
list who follows them, whom they follow unauthenticated yes       yes       yes       closed    yes       yes        yes       yes        yes       yes
list the others                         unauthenticated closed    closed    closed    closed    closed    yes        closed    yes        closed    yes
relate, suggest                         unauthenticated not_yours not_yours not_yours not_yours not_yours yes        not_yours yes        not_yours yes
"""  # noqa: E501 - a table

POST = """
                                                     anonymous       stranger          follower              close                 blocked           muted             author                moderator         service           viewer            admin
see one for everybody                                –               yes               yes                   yes                   feed.no_such_post yes               yes                   yes               yes               yes               yes
see one for followers                                –               feed.no_such_post yes                   yes                   feed.no_such_post feed.no_such_post yes                   feed.no_such_post feed.no_such_post feed.no_such_post feed.no_such_post
see one for close friends                            –               feed.no_such_post feed.no_such_post     yes                   feed.no_such_post feed.no_such_post yes                   feed.no_such_post feed.no_such_post feed.no_such_post feed.no_such_post
react to one for everybody                           unauthenticated yes               yes                   yes                   not_found         yes               yes                   yes               yes               yes               yes
react to one for followers                           unauthenticated not_found         yes                   yes                   not_found         not_found         yes                   not_found         yes               not_found         yes
react to one for close friends                       unauthenticated not_found         not_found             yes                   not_found         not_found         yes                   not_found         yes               not_found         yes
unreact, of one for followers                        unauthenticated not_found         yes                   yes                   not_found         not_found         yes                   not_found         yes               not_found         yes
share one for everybody                              –               yes               yes                   yes                   feed.no_such_post yes               yes                   yes               yes               yes               yes
share one for followers                              –               feed.no_such_post feed.not_to_be_shared feed.not_to_be_shared feed.no_such_post feed.no_such_post feed.not_to_be_shared feed.no_such_post feed.no_such_post feed.no_such_post feed.no_such_post
edit                                                 unauthenticated not_found         not_found             not_found             not_found         not_found         yes                   not_found         not_found         not_found         not_found
delete                                               unauthenticated not_found         not_found             not_found             not_found         not_found         yes                   yes               yes               not_found         yes
recount                                              unauthenticated not_yours         not_yours             not_yours             not_yours         not_yours         not_yours             not_yours         yes               not_yours         yes
ask for the counts of one for everybody              unauthenticated yes               yes                   yes                   not_found         yes               yes                   yes               yes               yes               yes
ask for the counts of one for followers              unauthenticated not_found         yes                   yes                   not_found         not_found         yes                   not_found         yes               not_found         yes
watch one for everybody                              not_found       not_found         not_found             not_found             not_found         not_found         yes                   not_found         yes               not_found         yes
watch one for everybody, having asked for counts     not_found       yes               yes                   yes                   not_found         yes               yes                   yes               yes               yes               yes
watch one for followers                              not_found       not_found         not_found             not_found             not_found         not_found         yes                   not_found         yes               not_found         yes
watch one for followers, having asked for counts     not_found       not_found         yes                   yes                   not_found         not_found         yes                   not_found         yes               not_found         yes
"""  # noqa: E501 - a table

THREAD = """
                                                               anonymous       stranger       follower       close          blocked        muted          author    moderator      service   viewer         admin
read comments of a post for everybody                          unauthenticated yes            yes            yes            post.not_found yes            yes       yes            yes       yes            yes
read comments of one for followers                             unauthenticated post.not_found yes            yes            post.not_found post.not_found yes       post.not_found yes       post.not_found yes
read comments of one for close friends                         unauthenticated post.not_found post.not_found yes            post.not_found post.not_found yes       post.not_found yes       post.not_found yes
comment on a post for everybody                                unauthenticated yes            yes            yes            post.not_found yes            yes       yes            yes       yes            yes
comment on one for followers                                   unauthenticated post.not_found yes            yes            post.not_found post.not_found yes       post.not_found yes       post.not_found yes
comment on one for close friends                               unauthenticated post.not_found post.not_found yes            post.not_found post.not_found yes       post.not_found yes       post.not_found yes
like a comment on a post for everybody                         unauthenticated yes            yes            yes            post.not_found yes            yes       yes            yes       yes            yes
like a comment on one for followers                            unauthenticated post.not_found yes            yes            post.not_found post.not_found yes       post.not_found yes       post.not_found yes
unlike                                                         unauthenticated yes            yes            yes            post.not_found yes            yes       yes            yes       yes            yes
edit another's                                                 unauthenticated not_yours      not_yours      not_yours      post.not_found not_yours      not_yours not_yours      not_yours not_yours      not_yours
delete another's                                               unauthenticated not_yours      not_yours      not_yours      post.not_found not_yours      yes       yes            yes       not_yours      yes
watch those on a post for everybody                            post.not_found  post.not_found post.not_found post.not_found post.not_found post.not_found yes       post.not_found yes       post.not_found yes
watch those on a post for everybody, having tried to read them post.not_found  yes            yes            yes            post.not_found yes            yes       yes            yes       yes            yes
watch those on one for followers                               post.not_found  post.not_found post.not_found post.not_found post.not_found post.not_found yes       post.not_found yes       post.not_found yes
watch those on one for followers, having tried to read them    post.not_found  post.not_found yes            yes            post.not_found post.not_found yes       post.not_found yes       post.not_found yes
"""  # noqa: E501 - a table

FEED = """
                                       anonymous       stranger  follower  close     blocked   muted     author     moderator service    viewer    admin
read                                   unauthenticated not_yours not_yours not_yours not_yours not_yours yes        not_yours yes        not_yours yes
post                                   unauthenticated not_yours not_yours not_yours not_yours not_yours yes        not_yours yes        not_yours yes
read what is in it                     unauthenticated not_yours not_yours not_yours not_yours not_yours yes        not_yours yes        not_yours yes
say what was seen, and what is shown   unauthenticated not_yours not_yours not_yours not_yours not_yours yes        not_yours yes        not_yours yes
ask why a post that was not ranked was unauthenticated not_yours not_yours not_yours not_yours not_yours not_ranked not_yours not_ranked not_yours not_ranked
"""  # noqa: E501 - a table

INBOX = """
                                        anonymous       stranger  follower  close     blocked   muted     author             moderator service            viewer    admin
read                                    unauthenticated not_yours not_yours not_yours not_yours not_yours yes                not_yours yes                not_yours yes
see, mark as read, archive, ask why     unauthenticated not_yours not_yours not_yours not_yours not_yours yes                not_yours yes                not_yours yes
choose what one is told of, and when    unauthenticated not_yours not_yours not_yours not_yours not_yours yes                not_yours yes                not_yours yes
add and remove mail, phones and servers unauthenticated not_yours not_yours not_yours not_yours not_yours yes                not_yours yes                not_yours yes
confirm mail that was not given         unauthenticated not_yours not_yours not_yours not_yours not_yours nothing_to_confirm not_yours nothing_to_confirm not_yours nothing_to_confirm
"""  # noqa: E501 - a table

CASE = """
                                          anonymous       stranger        follower        close           blocked         muted           author          moderator service viewer          admin
report                                    unauthenticated yes             yes             yes             yes             yes             yes             yes       yes     yes             yes
report one for followers                  unauthenticated post.not_found  yes             yes             post.not_found  post.not_found  oneself         yes       yes     post.not_found  yes
read                                      moderators_only moderators_only moderators_only moderators_only moderators_only moderators_only moderators_only yes       yes     moderators_only yes
look                                      unauthenticated moderators_only moderators_only moderators_only moderators_only moderators_only moderators_only yes       yes     moderators_only yes
hide, restore, dismiss, shadow its author unauthenticated moderators_only moderators_only moderators_only moderators_only moderators_only moderators_only yes       yes     moderators_only yes
"""  # noqa: E501 - a table

RULES = """
                              anonymous       stranger        follower        close           blocked         muted           author          moderator service viewer          admin
read                          moderators_only moderators_only moderators_only moderators_only moderators_only moderators_only moderators_only yes       yes     moderators_only yes
put, drop                     unauthenticated moderators_only moderators_only moderators_only moderators_only moderators_only moderators_only yes       yes     moderators_only yes
list, try                     unauthenticated moderators_only moderators_only moderators_only moderators_only moderators_only moderators_only yes       yes     moderators_only yes
shadow, unshadow, list who is unauthenticated moderators_only moderators_only moderators_only moderators_only moderators_only moderators_only yes       yes     moderators_only yes
"""  # noqa: E501 - a table

ROWS = """
                            anonymous         stranger          follower          close             blocked           muted             author            moderator         service          viewer            admin
profiles, authors           yes               yes               yes               yes               yes               yes               yes               yes               yes              yes               yes
people                      unauthenticated   yes               yes               yes               yes               yes               yes               yes               yes              yes               yes
notices of one's own        –                 yes               yes               yes               yes               yes               yes               yes               yes              yes               yes
notices of another          inbox.not_yours   inbox.not_yours   inbox.not_yours   inbox.not_yours   inbox.not_yours   inbox.not_yours   –                 inbox.not_yours   yes              inbox.not_yours   yes
cases                       moderators_only   moderators_only   moderators_only   moderators_only   moderators_only   moderators_only   moderators_only   yes               yes              moderators_only   yes
all others                  view.closed       view.closed       view.closed       view.closed       view.closed       view.closed       view.closed       view.closed       yes              view.closed       yes
what is nobody's: spread    spread.closed     spread.closed     spread.closed     spread.closed     spread.closed     spread.closed     spread.closed     spread.closed     yes              spread.closed     yes
what is nobody's: features  features.internal features.internal features.internal features.internal features.internal features.internal features.internal features.internal yes              features.internal yes
what is nobody's: reactions reactions.closed  reactions.closed  reactions.closed  reactions.closed  reactions.closed  reactions.closed  reactions.closed  reactions.closed  reactions.closed reactions.closed  reactions.closed
"""  # noqa: E501 - a table

NOT_SEEN: Final = (
    "Posts are read through one's own feed, `see` for one; the post itself shows counts, to those who watch it, and "
    "the thread its newest comments. They are watched by who was let in: these two ask about blocks, followers and "
    "private accounts when somebody asks for the counts, reacts, or reads the thread, and again while they watch."
)
# name -> title, note, table
SOCIAL: Final[dict[str, tuple[str, str, str]]] = {
    "profile": ("A profile", "", PROFILE),
    "follows": (
        "Whom somebody follows",
        "*Change* is to follow, unfollow, remove, block, unblock, mute, unmute, choose close friends, and be private. "
        "Of a private account only its followers are shown the lists.",
        FOLLOWS,
    ),
    "post": ("A post", NOT_SEEN, POST),
    "thread": (
        "The comments of a post",
        "The one that is liked, edited and deleted is the author's of the post.",
        THREAD,
    ),
    "feed": ("A feed", "*What is in it*: `read`, `of`, `tagged`, `search`, `see`, `stories`.", FEED),
    "inbox": ("An inbox", "", INBOX),
    "case": ("A case", "Of a post that somebody has reported.", CASE),
    "rules": ("The rules", "", RULES),
    "rows": (
        "Views of people, posts and feeds",
        "Reading, by `GET`. *All others* are those that the kinds above read: who follows whom, posts, walls, tags, "
        "comments, reactions, what has arrived. At the end the entities that others have no business with.",
        ROWS,
    ),
}
