"""What must be true of cases, and of what they are about, once all is calm."""

from collections.abc import Iterator

from greenroom.actors.inbox.outgoing import digest_of
from greenroom.actors.social.moderation.state import CaseFile
from greenroom.actors.social.post.state import PostState
from tests.simulation.social.expected import Facts
from tests.simulation.social.moderators import HIDDEN, REFUSED, SHADOWED

UNSEEN = ("pending", "hidden")


def moderated(facts: Facts, *, had_rules: bool) -> Iterator[str]:
    """What is wrong. `had_rules`: since anybody has said what they are about, and none of them was lost."""
    for post, state in facts.posts.items():
        if not state.author or state.gone:
            continue
        case = facts.cases.get(post, CaseFile())
        is_unseen = state.is_hidden or state.is_pending
        if is_unseen != (case.state in UNSEEN):
            yield f"post:{post} is {'hidden' if is_unseen else 'shown'}, and its case is {case.state}"
        if had_rules:
            yield from _by_the_rules(post, state, case)
    for key, case in facts.cases.items():
        post, _, offset = key.partition(".")
        thread = facts.threads.get(post)
        if offset and thread is not None and int(offset) in thread.authors and not thread.closed:
            is_pending = thread.veils.get(int(offset)) == "pending"
            if is_pending != (case.state in UNSEEN):
                veil = thread.veils.get(int(offset), "none")
                yield f"thread:{post} has the veil {veil!r} on {offset}, and its case is {case.state}"
        yield from _told(facts, key, case)


def _by_the_rules(post: str, state: PostState, case: CaseFile) -> Iterator[str]:
    words = state.content.text.split()
    if REFUSED in words:
        yield f"post:{post} says {REFUSED}"
    for word, is_so in ((HIDDEN, True), (SHADOWED, state.is_shadowed)):
        if word in words and (case.state is None or not is_so):
            yield f"post:{post} says {word}, and it was not judged so, or no moderator knows"


def _told(facts: Facts, key: str, case: CaseFile) -> Iterator[str]:
    """Its author knows that a moderator has hidden it, and is not told so of what is shown again."""
    inbox = facts.inboxes.get(case.author)
    known = inbox.known.get(digest_of(f"hidden:{key}")) if inbox is not None else None
    is_told = known is not None and known.live
    if case.state == "hidden" and not is_told:
        yield f"inbox:{case.author} does not tell that {key} is hidden"
    if case.state == "cleared" and is_told:  # also where it was put away: it may be so again
        yield f"inbox:{case.author} tells that {key} is hidden, which is shown again"
