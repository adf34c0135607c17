"""What must be true, once all is calm, of what people are told of comments and of who follows them: each is told while
it is so, or there is a reason; and below what is gone there is nothing.
"""

from collections.abc import Iterator, Mapping

from msgspec.json import decode

from greenroom.actors.inbox.outgoing import digest_of
from greenroom.actors.inbox.state import InboxState
from greenroom.store.journal.records import StoredEvent
from tests.simulation.social.expected import Facts

MADE = "thread.commented"


def noticed(facts: Facts, journals: Mapping[str, list[StoredEvent]]) -> Iterator[str]:
    """What is wrong. `journals`: of threads they are whole."""
    for post, thread in facts.threads.items():
        if facts.posts[post].gone and thread.author and (not thread.closed or thread.authors):
            yield f"thread:{post} has {sorted(thread.authors)} below a post that is gone"
    for entity, events in journals.items():
        kind, _, post = entity.partition(":")
        if kind == "thread" and facts.posts[post].author and not facts.posts[post].gone:  # else a failover has lost it
            yield from _comments(facts, post, events)
    for user, inbox in facts.inboxes.items():
        yield from _follows(facts, user, inbox)


def _comments(facts: Facts, post: str, events: list[StoredEvent]) -> Iterator[str]:
    """The post's author hears of those that all may see, and of no others."""
    thread, author = facts.threads[post], facts.posts[post].author
    inbox = facts.inboxes[author]
    for event in events:
        made = decode(event.payload)
        if made["type"] != MADE or made["author"] == author:
            continue
        offset, by = event.offset, made["author"]
        id_ = digest_of(f"comment:{post}:{offset}:{by}")
        is_there = offset in thread.authors and offset not in thread.veils
        is_told = _is_told(inbox, id_)
        if is_told and not is_there:
            yield f"inbox:{author} tells of what {by} said in thread:{post}, {offset}, and it is not to be seen"
        if is_there and not is_told and not facts.has_reason(author, by, id_):
            yield f"inbox:{author} does not tell what {by} said in thread:{post}, {offset}, and gives no reason"


def _follows(facts: Facts, user: str, inbox: InboxState) -> Iterator[str]:
    for other in facts.users:
        if _is_told(inbox, digest_of(f"follow:{other}")) and user not in facts.follows[other].following:
            yield f"inbox:{user} tells that {other} follows, who does not"


def _is_told(inbox: InboxState, id_: str) -> bool:
    known = inbox.known.get(id_)
    return known is not None and known.live
