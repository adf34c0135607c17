"""Who may do what, where: what is promised, stated once. `test_permissions`, with `test_job_permissions`,
`test_schedule_permissions`, `test_view_permissions` and `test_page_permissions`, walks every cell on a real node,
through every way in, and docs/reference/permissions.md is printed from here:

    python -m tests.transports.permissions > docs/reference/permissions.md
"""

from typing import Final

from tests.e2e.social.permissions import SOCIAL

YES: Final = "yes"
NOT_APPLICABLE: Final = "–"  # in this kind of room there is nobody of that sort, or no message of theirs

# How to try each row. What only reads is one row: whoever may not read in one way may not in any other.
READS: Final = {
    "read": "subscribe (from now on, and from a position), history, presence and presence_stats over WebSocket; "
    "`rpc` of view, history, presence and presence_stats; `GET` of view and history; each as sure as `read` says; "
    "`/events`, as events and as views",
    "read, by a subscription token": "subscribe over WebSocket",
}
COMMANDS: Final = "`POST` over HTTP and `rpc` over WebSocket; a `send` also as `publish`"

OPEN = """
                               anonymous       stranger    member      left        muted       banned      signed_out moderator   owner       service     admin
read                           yes             yes         yes         yes         yes         banned      signed_out yes         yes         yes         yes
read, by a subscription token  yes             yes         yes         yes         yes         banned      signed_out yes         yes         yes         yes
join                           unauthenticated yes         yes         yes         yes         banned      signed_out yes         yes         yes         yes
leave                          unauthenticated not_member  yes         not_member  yes         not_member  signed_out yes         yes         not_member  not_member
send                           unauthenticated yes         yes         yes         muted       banned      signed_out yes         yes         yes         yes
gift                           unauthenticated yes         yes         yes         yes         banned      signed_out yes         yes         yes         yes
typing                         unauthenticated yes         yes         yes         muted       banned      signed_out yes         yes         yes         yes
comment                        unauthenticated yes         yes         yes         muted       banned      signed_out yes         yes         yes         yes
mark as read                   unauthenticated not_member  yes         not_member  yes         not_member  signed_out yes         yes         not_member  not_member
edit one's own                 –               –           yes         not_member  muted       banned      signed_out yes         yes         –           –
edit another's                 unauthenticated not_member  not_yours   not_member  muted       banned      signed_out not_yours   not_yours   not_member  not_member
delete one's own               –               –           yes         not_member  yes         not_member  signed_out yes         yes         –           –
delete another's               unauthenticated not_member  not_yours   not_member  not_yours   not_member  signed_out yes         yes         not_member  yes
delete what is none            unauthenticated not_member  no_such_message not_member no_such_message not_member signed_out no_such_message no_such_message not_member no_such_message
react                          unauthenticated not_member  yes         not_member  muted       banned      signed_out yes         yes         not_member  not_member
unreact                        unauthenticated not_member  yes         not_member  yes         not_member  signed_out yes         yes         not_member  not_member
invite                         unauthenticated not_allowed not_allowed not_allowed not_allowed not_allowed signed_out yes         yes         not_allowed yes
mute a member                  unauthenticated not_allowed not_allowed not_allowed not_allowed not_allowed signed_out yes         yes         not_allowed yes
mute a moderator               unauthenticated not_allowed not_allowed not_allowed not_allowed not_allowed signed_out not_allowed yes         not_allowed yes
mute the owner                 unauthenticated not_allowed not_allowed not_allowed not_allowed not_allowed signed_out not_allowed not_allowed not_allowed yes
unmute a member                unauthenticated not_allowed not_allowed not_allowed not_allowed not_allowed signed_out yes         yes         not_allowed yes
unmute a moderator             unauthenticated not_allowed not_allowed not_allowed not_allowed not_allowed signed_out not_allowed yes         not_allowed yes
ban a member                   unauthenticated not_allowed not_allowed not_allowed not_allowed not_allowed signed_out yes         yes         not_allowed yes
ban a moderator                unauthenticated not_allowed not_allowed not_allowed not_allowed not_allowed signed_out not_allowed yes         not_allowed yes
ban the owner                  unauthenticated not_allowed not_allowed not_allowed not_allowed not_allowed signed_out not_allowed not_allowed not_allowed yes
unban                          unauthenticated not_allowed not_allowed not_allowed not_allowed not_allowed signed_out yes         yes         not_allowed yes
set, and pin                   unauthenticated not_allowed not_allowed not_allowed not_allowed not_allowed signed_out yes         yes         not_allowed yes
role                           unauthenticated not_allowed not_allowed not_allowed not_allowed not_allowed signed_out not_allowed yes         not_allowed yes
"""  # noqa: E501 - a table

# Where a closed room differs from an open one: whoever is outside stays there, whatever they would say or ask.
CLOSED = """
                               anonymous       stranger    member      left        muted       banned      signed_out moderator   owner       service     admin
read                           unauthenticated closed      yes         closed      yes         banned      signed_out yes         yes         closed      yes
join                           unauthenticated closed      yes         closed      yes         banned      signed_out yes         yes         closed      yes
send                           unauthenticated closed      yes         closed      muted       banned      signed_out yes         yes         closed      yes
send, in reply to what is none unauthenticated closed      no_such_message closed  muted       banned      signed_out no_such_message no_such_message closed no_such_message
gift                           unauthenticated closed      yes         closed      yes         banned      signed_out yes         yes         closed      yes
typing                         unauthenticated closed      yes         closed      muted       banned      signed_out yes         yes         closed      yes
comment                        unauthenticated closed      yes         closed      muted       banned      signed_out yes         yes         closed      yes
"""  # noqa: E501 - a table

# `member` is one of the two; there are no roles, and nobody can leave.
DIRECT = """
                               anonymous       stranger    member      signed_out service     admin
read                           unauthenticated not_member  yes         signed_out not_member  not_member
read, by a subscription token  yes             yes         yes         signed_out yes         yes
join                           unauthenticated not_member  yes         signed_out not_member  not_member
leave                          unauthenticated not_member  direct      signed_out not_member  not_member
send                           unauthenticated not_member  yes         signed_out not_member  not_member
gift                           unauthenticated not_member  yes         signed_out not_member  not_member
typing                         unauthenticated not_member  yes         signed_out not_member  not_member
comment                        unauthenticated not_member  yes         signed_out not_member  not_member
mark as read                   unauthenticated not_member  yes         signed_out not_member  not_member
edit one's own                 –               –           yes         signed_out –           –
edit another's                 unauthenticated not_member  not_yours   signed_out not_member  not_member
delete one's own               –               –           yes         signed_out –           –
delete another's               unauthenticated not_member  not_yours   signed_out not_member  not_member
delete what is none            unauthenticated not_member  no_such_message signed_out not_member not_member
react                          unauthenticated not_member  yes         signed_out not_member  not_member
unreact                        unauthenticated not_member  yes         signed_out not_member  not_member
invite                         unauthenticated not_member  direct      signed_out not_member  not_member
mute a member                  unauthenticated not_member  direct      signed_out not_member  not_member
unmute a member                unauthenticated not_member  direct      signed_out not_member  not_member
ban a member                   unauthenticated not_member  direct      signed_out not_member  not_member
unban                          unauthenticated not_member  direct      signed_out not_member  not_member
set, and pin                   unauthenticated not_member  direct      signed_out not_member  not_member
role                           unauthenticated not_member  direct      signed_out not_member  not_member
"""

# Of a direct conversation of two, one of whom blocks the other. What is not here is as above.
BARRED = """
                               anonymous       stranger    blocks      blocked     signed_out service     admin
read                           unauthenticated not_member  yes         yes         signed_out not_member  not_member
send                           unauthenticated not_member  blocked     blocked     signed_out not_member  not_member
gift                           unauthenticated not_member  blocked     blocked     signed_out not_member  not_member
typing                         unauthenticated not_member  blocked     blocked     signed_out not_member  not_member
comment                        unauthenticated not_member  blocked     blocked     signed_out not_member  not_member
mark as read                   unauthenticated not_member  yes         yes         signed_out not_member  not_member
edit one's own                 –               –           blocked     blocked     –          –           –
edit another's                 unauthenticated not_member  blocked     blocked     signed_out not_member  not_member
delete one's own               –               –           yes         yes         –          –           –
react                          unauthenticated not_member  blocked     blocked     signed_out not_member  not_member
unreact                        unauthenticated not_member  yes         yes         signed_out not_member  not_member
"""

# Of `member`: `session:mia`.
SESSION = """
                               anonymous       stranger    member      signed_out service     admin
read                           unauthenticated not_yours   yes         signed_out yes         yes
mark as read                   unauthenticated not_yours   yes         signed_out yes         yes
push                           unauthenticated not_yours   yes         signed_out yes         yes
sign out                       unauthenticated not_yours   yes         signed_out yes         yes
"""

# Whoever adds jobs, works on them or steers them is staff. `its_user` is whom a job of it was added for, by `by`.
QUEUE = """
                               anonymous       stranger    its_user   signed_out service    viewer     admin
read                           forbidden       forbidden   forbidden  signed_out yes        forbidden  yes
read, by a subscription token  yes             yes         yes        signed_out yes        yes        yes
add                            unauthenticated forbidden   forbidden  signed_out yes        forbidden  yes
add several                    unauthenticated forbidden   forbidden  signed_out yes        forbidden  yes
take                           unauthenticated forbidden   forbidden  signed_out yes        forbidden  yes
beat                           unauthenticated forbidden   forbidden  signed_out yes        forbidden  yes
complete                       unauthenticated forbidden   forbidden  signed_out yes        forbidden  yes
fail                           unauthenticated forbidden   forbidden  signed_out yes        forbidden  yes
leave                          unauthenticated forbidden   forbidden  signed_out yes        forbidden  yes
say how far jobs are           unauthenticated forbidden   forbidden  signed_out yes        forbidden  yes
keep a step                    unauthenticated forbidden   forbidden  signed_out yes        forbidden  yes
read steps                     unauthenticated forbidden   forbidden  signed_out yes        forbidden  yes
cancel a job                   unauthenticated forbidden   forbidden  signed_out yes        forbidden  yes
retry a job                    unauthenticated forbidden   forbidden  signed_out yes        forbidden  yes
edit a job                     unauthenticated forbidden   forbidden  signed_out yes        forbidden  yes
pause                          unauthenticated forbidden   forbidden  signed_out yes        forbidden  yes
resume                         unauthenticated forbidden   forbidden  signed_out yes        forbidden  yes
limit                          unauthenticated forbidden   forbidden  signed_out yes        forbidden  yes
add a flow                     unauthenticated forbidden   forbidden  signed_out yes        forbidden  yes
read what a job has waited for unauthenticated forbidden   forbidden  signed_out yes        forbidden  yes
add children of a job          unauthenticated forbidden   forbidden  signed_out yes        forbidden  yes
do something about many        unauthenticated forbidden   forbidden  signed_out yes        forbidden  yes
ask why                        unauthenticated forbidden   forbidden  signed_out yes        forbidden  yes
list jobs, list queues         forbidden       forbidden   forbidden  signed_out yes        forbidden  yes
"""

# What starts jobs is staff's, as jobs are.
SCHEDULE = """
                               anonymous       stranger    signed_out service    viewer     admin
read                           forbidden       forbidden   signed_out yes        forbidden  yes
read, by a subscription token  yes             yes         signed_out yes        yes        yes
set                            unauthenticated forbidden   signed_out yes        forbidden  yes
pause                          unauthenticated forbidden   signed_out yes        forbidden  yes
resume                         unauthenticated forbidden   signed_out yes        forbidden  yes
trigger                        unauthenticated forbidden   signed_out yes        forbidden  yes
backfill                       unauthenticated forbidden   signed_out yes        forbidden  yes
end backfills                  unauthenticated forbidden   signed_out yes        forbidden  yes
drop                           unauthenticated forbidden   signed_out yes        forbidden  yes
"""
BOOK = """
                               anonymous       stranger    signed_out service    viewer     admin
read                           forbidden       forbidden   signed_out yes        forbidden  yes
read, by a subscription token  yes             yes         signed_out yes        yes        yes
list                           unauthenticated forbidden   signed_out yes        forbidden  yes
"""

# Added for `its_user`.
JOB = """
                               anonymous       stranger    its_user   signed_out service    viewer     admin
read                           forbidden       forbidden   yes        signed_out yes        forbidden  yes
read, by a subscription token  yes             yes         yes        signed_out yes        yes        yes
cancel                         unauthenticated forbidden   yes        signed_out yes        forbidden  yes
retry                          unauthenticated forbidden   forbidden  signed_out yes        forbidden  yes
edit                           unauthenticated forbidden   forbidden  signed_out yes        forbidden  yes
read errors                    unauthenticated forbidden   forbidden  signed_out yes        forbidden  yes
"""

# An upload of `owner` that is ready, and not public but where a row says so.
MEDIA = """
                                   anonymous       stranger   owner      signed_out service    viewer     admin
read                               unauthenticated not_yours  yes        signed_out yes        not_yours  yes
read one that is public            yes             yes        yes        signed_out yes        yes        yes
read what a user has               unauthenticated not_yours  yes        signed_out yes        not_yours  yes
publish                            unauthenticated not_yours  yes        signed_out yes        not_yours  yes
try again                          unauthenticated not_yours  yes        signed_out yes        not_yours  yes
delete                             unauthenticated not_yours  yes        signed_out yes        not_yours  yes
clear what a user has              unauthenticated not_yours  yes        signed_out yes        not_yours  yes
begin an upload                    unauthenticated yes        yes        signed_out yes        yes        yes
ask how far one is                 unauthenticated not_yours  yes        signed_out yes        not_yours  yes
go on with one                     unauthenticated not_yours  yes        signed_out yes        not_yours  yes
delete by its address              unauthenticated not_yours  yes        signed_out yes        not_yours  yes
see what was made of it            unauthenticated not_yours  yes        signed_out yes        not_yours  yes
see the original                   unauthenticated not_yours  yes        signed_out yes        not_yours  yes
see what was made of a public one  yes             yes        yes        signed_out yes        yes        yes
see the original of a public one   unauthenticated not_yours  yes        signed_out yes        not_yours  yes
make a link                        unauthenticated not_yours  yes        signed_out yes        not_yours  yes
make a link to a public one        unauthenticated not_yours  yes        signed_out yes        not_yours  yes
see by a link                      yes             yes        yes        yes        yes        yes        yes
"""

# Outside `local`, unless GREENROOM_DETAILS says otherwise. Columns as above.
PAGES = """
                               anonymous       stranger      member        signed_out service       viewer      admin
/                              yes             yes           yes           yes        yes           yes         yes
/social                        yes             yes           yes           yes        yes           yes         yes
/static/chat.js                yes             yes           yes           yes        yes           yes         yes
/static/social/social.js       yes             yes           yes           yes        yes           yes         yes
/health                        yes             yes           yes           yes        yes           yes         yes
/health, with figures          unauthenticated not_staff     not_staff     signed_out yes           not_staff   yes
/ready                         yes             yes           yes           yes        yes           yes         yes
/metrics                       yes             yes           yes           yes        yes           yes         yes
/docs                          unauthenticated not_staff     not_staff     signed_out yes           not_staff   yes
/docs/openapi.json             unauthenticated not_staff     not_staff     signed_out yes           not_staff   yes
/docs/asyncapi.json            unauthenticated not_staff     not_staff     signed_out yes           not_staff   yes
/admin                         yes             yes           yes           yes        yes           yes         yes
/admin/api/me                  unauthenticated not_operator  not_operator  signed_out not_operator  yes         yes
/admin/api/cluster             unauthenticated not_operator  not_operator  signed_out not_operator  yes         yes
/admin/api/entity?name=room:a  unauthenticated not_operator  not_operator  signed_out not_operator  yes         yes
/admin/live                    unauthenticated not_operator  not_operator  signed_out not_operator  yes         yes
/admin/api/letters             unauthenticated not_operator  not_operator  signed_out not_operator  yes         yes
/admin/api/state?name=room:a   unauthenticated not_operator  not_operator  signed_out not_operator  not_admin   yes
/admin/api/journal?name=room:a unauthenticated not_operator  not_operator  signed_out not_operator  not_admin   yes
/admin/api/retry               unauthenticated not_operator  not_operator  signed_out not_operator  not_admin   yes
/admin/api/drop                unauthenticated not_operator  not_operator  signed_out not_operator  not_admin   yes
/admin/live?show=views         unauthenticated not_operator  not_operator  signed_out not_operator  yes         yes
/admin/api/views               unauthenticated not_operator  not_operator  signed_out not_operator  yes         yes
/admin/api/parked?table=1      unauthenticated not_operator  not_operator  signed_out not_operator  yes         yes
/admin/api/views/pause         unauthenticated not_operator  not_operator  signed_out not_operator  not_admin   yes
/admin/api/views/resume        unauthenticated not_operator  not_operator  signed_out not_operator  not_admin   yes
/admin/api/views/rebuild       unauthenticated not_operator  not_operator  signed_out not_operator  not_admin   yes
/admin/api/views/retry         unauthenticated not_operator  not_operator  signed_out not_operator  not_admin   yes
/admin/api/views/drop-old      unauthenticated not_operator  not_operator  signed_out not_operator  not_admin   yes
/admin/live?show=queues        unauthenticated not_operator  not_operator  signed_out not_operator  yes         yes
/admin/live?job=0              unauthenticated not_operator  not_operator  signed_out not_operator  yes         yes
/admin/api/queues              unauthenticated not_operator  not_operator  signed_out not_operator  yes         yes
/admin/api/queue?name=media    unauthenticated not_operator  not_operator  signed_out not_operator  yes         yes
/admin/api/jobs                unauthenticated not_operator  not_operator  signed_out not_operator  yes         yes
/admin/api/job?name=0          unauthenticated not_operator  not_operator  signed_out not_operator  yes         yes
/admin/api/saga?name=trip:a    unauthenticated not_operator  not_operator  signed_out not_operator  yes         yes
/admin/api/queues/pause        unauthenticated not_operator  not_operator  signed_out not_operator  not_admin   yes
/admin/api/queues/resume       unauthenticated not_operator  not_operator  signed_out not_operator  not_admin   yes
/admin/api/queues/limit        unauthenticated not_operator  not_operator  signed_out not_operator  not_admin   yes
/admin/api/jobs/retry          unauthenticated not_operator  not_operator  signed_out not_operator  not_admin   yes
/admin/api/jobs/cancel         unauthenticated not_operator  not_operator  signed_out not_operator  not_admin   yes
/admin/api/jobs/edit           unauthenticated not_operator  not_operator  signed_out not_operator  not_admin   yes
/admin/api/jobs/drop           unauthenticated not_operator  not_operator  signed_out not_operator  not_admin   yes
/admin/api/sagas/steer         unauthenticated not_operator  not_operator  signed_out not_operator  not_admin   yes
"""

# Of the built-in views: pages, and who may read or watch them. Columns as above; of a direct conversation `member` is
# one of the two, and `signed_out` the other.
VIEWS = """
                                             anonymous       stranger   member     left       muted      banned     signed_out moderator  owner      service    viewer     admin
rooms:open, read                             yes             yes        yes        yes        yes        yes        signed_out yes        yes        yes        yes        yes
rooms:open, watch                            yes             yes        yes        yes        yes        yes        signed_out yes        yes        yes        yes        yes
rooms:closed, read                           rooms.closed rooms.closed rooms.closed rooms.closed rooms.closed rooms.closed signed_out rooms.closed rooms.closed yes rooms.closed yes
rooms:closed, watch                          rooms.closed rooms.closed rooms.closed rooms.closed rooms.closed rooms.closed signed_out rooms.closed rooms.closed yes rooms.closed yes
conversations of one's own, read             –               yes        yes        yes        yes        yes        signed_out yes        yes        yes        yes        yes
conversations of one's own, search across    –               yes        yes        yes        yes        yes        signed_out yes        yes        yes        yes        yes
conversations of one's own, watch            –               yes        yes        yes        yes        yes        signed_out yes        yes        yes        yes        yes
conversations of another, read               conversations.not_yours conversations.not_yours conversations.not_yours conversations.not_yours conversations.not_yours conversations.not_yours signed_out conversations.not_yours conversations.not_yours yes conversations.not_yours yes
conversations of another, search across      conversations.not_yours conversations.not_yours conversations.not_yours conversations.not_yours conversations.not_yours conversations.not_yours signed_out conversations.not_yours conversations.not_yours yes conversations.not_yours yes
conversations of another, watch              conversations.not_yours conversations.not_yours conversations.not_yours conversations.not_yours conversations.not_yours conversations.not_yours signed_out conversations.not_yours conversations.not_yours yes conversations.not_yours yes
messages of an open room, read               yes             yes        yes        yes        yes        banned     signed_out yes        yes        yes        yes        yes
messages of a closed room, read              unauthenticated closed     yes        closed     yes        banned     signed_out yes        yes        closed     closed     yes
messages of a direct conversation, read      unauthenticated not_member yes        not_member not_member not_member signed_out not_member not_member not_member not_member not_member
messages of an open room, watch              view.closed     view.closed view.closed view.closed view.closed view.closed signed_out view.closed view.closed yes        view.closed yes
messages of a closed room, watch             view.closed     view.closed view.closed view.closed view.closed view.closed signed_out view.closed view.closed yes        view.closed yes
messages of a direct conversation, watch     view.closed     view.closed view.closed view.closed view.closed view.closed signed_out view.closed view.closed yes        view.closed yes
entities:room, read                          view.closed     view.closed view.closed view.closed view.closed view.closed signed_out view.closed view.closed yes        view.closed yes
entities:room, watch                         view.closed     view.closed view.closed view.closed view.closed view.closed signed_out view.closed view.closed yes        view.closed yes
any page, watch, by a subscription token     yes             yes        yes        yes        yes        yes        signed_out yes        yes        yes        yes        yes
a sink, read                                 unknown_kind unknown_kind unknown_kind unknown_kind unknown_kind unknown_kind unknown_kind unknown_kind unknown_kind unknown_kind unknown_kind unknown_kind
"""  # noqa: E501 - a table

GOES_ON: Final = "goes on"
ENDS: Final = "ends"
# Who is watching, and what comes to pass: does their watching go on? The same for subscriptions and event streams.
WATCHING: Final = (
    ("open", "member", "is banned", ENDS),
    ("open", "moderator", "is banned", ENDS),
    ("open", "stranger", "is banned", ENDS),
    ("open", "member", "is muted", GOES_ON),
    ("open", "member", "leaves", GOES_ON),
    ("open", "member", "signs out", ENDS),
    ("open", "stranger", "signs out", ENDS),
    ("open", "anonymous", "the room is closed", ENDS),
    ("open", "stranger", "the room is closed", ENDS),
    ("open", "left", "the room is closed", ENDS),
    ("open", "service", "the room is closed", ENDS),
    ("open", "member", "the room is closed", GOES_ON),
    ("open", "muted", "the room is closed", GOES_ON),
    ("open", "moderator", "the room is closed", GOES_ON),
    ("open", "owner", "the room is closed", GOES_ON),
    ("open", "admin", "the room is closed", GOES_ON),
    ("closed", "member", "leaves", ENDS),
    ("closed", "moderator", "leaves", ENDS),
    ("closed", "member", "is banned", ENDS),
    ("closed", "member", "is muted", GOES_ON),
    ("closed", "member", "signs out", ENDS),
    ("direct", "member", "signs out", ENDS),
)

Table = dict[str, dict[str, str]]  # row -> who -> verdict: YES, NOT_APPLICABLE, or the name of the refusal


def _table(text: str) -> Table:
    """Columns are parted by blanks; a row's name is what stands before as many words as there are columns."""
    head, *lines = text.strip("\n").splitlines()
    who = head.split()
    rows: Table = {}
    for line in lines:
        words = line.split()
        rows[" ".join(words[: -len(who)])] = dict(zip(who, words[-len(who) :], strict=True))
    return rows


open_room = _table(OPEN)
TABLES: Final[dict[str, Table]] = {
    "open": open_room,
    "closed": open_room | _table(CLOSED),
    "direct": _table(DIRECT),
    "barred": _table(BARRED),
    "session": _table(SESSION),
    "queue": _table(QUEUE),
    "job": _table(JOB),
    "schedule": _table(SCHEDULE),
    "schedules": _table(BOOK),
    "media": _table(MEDIA),
    "views": _table(VIEWS),
    **{name: _table(table) for name, (_, _, table) in SOCIAL.items()},
    "pages": _table(PAGES),
}

INTRODUCTION = """\
# Who may do what

Printed from [permissions.py](../../tests/transports/permissions.py), and held by a test against a real node, cell by
cell, through every way in: each gives the same answer to the same user. Change it there.

A cell is `yes`, or the name of the refusal without `room.`, `session.`, `media.` or `uploads.`, or before which
the kind of its table is to be put, or – where there is nobody of that sort.
Over HTTP the refusal is the error's `name`; over the client protocol a command's is in its error's message, and
subscribe, history and presence say no more than 103, *permission denied*. A connect with a token from before the
sign-out ends with 3507.

- Reading: {reads}.
- Commands: {commands}.

| Who | |
|---|---|
| anonymous | without a token, where `GREENROOM_ANONYMOUS=watch` lets them look; elsewhere refused altogether |
| stranger | a user who has never been in the room |
| member, moderator, owner | of this room, by their role in it |
| left, muted, banned | a member who has left, a plain member who is muted, one who was banned |
| signed out | a member whose token is from before they signed out |
| service, viewer, admin | a stranger whose token has this role; of posts and comments so is a moderator |
| author, follower, close | who has written a post; who follows them; who does so as a close friend |
| blocked, muted, of an author | whom they have blocked, or muted |

What stands behind each rule: [rooms](rooms.md), [sessions](sessions.md), [security](../../SECURITY.md).
"""

WATCHING_ON: Final = """
## Whoever is watching already

A subscription ends with code 2100, after which SDKs don't subscribe again, or at a sign-out with its connection, code
4501; an event stream just ends, and is refused when it comes again.

| Watching | What happens | Watching |
|---|---|---|
"""

TITLES: Final = {
    "open": ("An open room", ""),
    "closed": ("A closed room", "The invited, too, may read and join, and do what a stranger may in an open room."),
    "direct": ("A direct conversation", "Without roles: *member* is one of its two users, *signed out* the other."),
    "barred": (
        "A direct conversation with a block",
        "Where the kind [`follows`](../guides/social.md) is installed: one of the two *blocks* the other, who is "
        "*blocked*, and both are told the same. What is not in this table is as in the one above.",
    ),
    "session": ("A session", "*member* is the user whose session it is, *signed out* the same with an older token."),
    "queue": (
        "A queue of jobs",
        "*Its user* is whom a job of it was added for, by the field `by`; a job that is due to an entity is no user's. "
        "What workers are told and say is one command each, for a process beside the server too.",
    ),
    "job": (
        "A job",
        "*Its user* is whom it was added for, *signed out* the same with an older token. They see arguments, progress, "
        "log, result and the texts of errors; workers and traces are told to staff by `errors`.",
    ),
    "schedule": ("A schedule", "What the code declares nobody may set or drop: they are told `schedule.declared`."),
    "schedules": ("The book of schedules", ""),
    "media": (
        "Media",
        "With `GREENROOM_MEDIA`: [uploads](../guides/media.md), and `uploads:USER`, which has what a user has. *Owner* "
        "is who has uploaded it, *signed out* the same with an older token. By a link nobody is asked who they are.",
    ),
    "views": (
        "Views",
        "The [built-in ones](chat-views.md), and a sink, which nobody reads. Reading is `GET`, with `search` where the "
        "view has texts; watching is subscribe, history and presence over WebSocket, and `/events`, as events and as "
        "views. A subscription token is what whoever has the secret lets its bearer watch, bans or not; it does not "
        "count for reading. What a search across finds is in the rooms that the user is in. Tables are read by SQL "
        "with the database's own roles, and by nobody through a server. How views and sinks are is seen, and steered, "
        "by the pages below.",
    ),
    **{name: (title, note) for name, (title, note, _) in SOCIAL.items()},
    "pages": (
        "Pages",
        "Outside `local`, unless [`GREENROOM_DETAILS`](settings.md) opens documents and figures. Whatever "
        "[`GREENROOM_STATIC`](../run/operations.md#pages-of-your-own) serves is for everybody. Who may look at "
        "the system, and what a viewer is shown of it: [admin](../run/admin.md).",
    ),
}


def _watching() -> str:
    lines = (f"| {who}, {kind} | {what} | {outcome} |\n" for kind, who, what, outcome in WATCHING)
    return WATCHING_ON + "".join(lines)


def page() -> str:
    """The Markdown of docs/reference/permissions.md."""
    reads = f"{READS['read']}; a subscription token counts for {READS['read, by a subscription token']}"
    parts = [INTRODUCTION.format(reads=reads, commands=COMMANDS)]
    for name, table in TABLES.items():
        title, note = TITLES[name]
        who = list(next(iter(table.values())))
        parts.append(f"\n## {title}\n\n" + (f"{note}\n\n" if note else ""))
        parts.append(f"| | {' | '.join(one.replace('_', ' ') for one in who)} |\n|---{'|---' * len(who)}|\n")
        for row, verdicts in table.items():
            shown = f"`{row.partition(',')[0]}`{row[len(row.partition(',')[0]) :]}" if row.startswith("/") else row
            cells = (one if one in (YES, NOT_APPLICABLE) else f"`{one}`" for one in verdicts.values())
            parts.append(f"| {shown} | {' | '.join(cells)} |\n")
    return "".join(parts) + _watching()


if __name__ == "__main__":
    print(page(), end="")
