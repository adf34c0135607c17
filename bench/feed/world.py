"""A world of people, as `greenroom demo social` makes it, and by the same code; and who is followed and posts in it."""

from dataclasses import dataclass
from time import perf_counter

from bench.question import Say
from bench.server import Server
from greenroom.supervisors.cli.demo.filling import Filling
from greenroom.supervisors.cli.demo.world import PHASES, Demo
from greenroom.transports.auth.signer import TokenSigner

SEED = 1
AT_ONCE = 16


@dataclass(frozen=True)
class World:
    """What there is."""

    users: list[str]
    posts: list[tuple[str, str]]  # open to everybody, and for good: ids, and their authors
    seconds: float = 0.0  # that it took
    commands: int = 0


def filled(server: Server, signer: TokenSigner, users: int, say: Say) -> World:
    """Raises: Trouble."""
    demo = Demo(users, SEED)
    host, port = server.address

    def token(user: str) -> str:
        return signer.connection_token(user, roles=("service",), ttl_s=3_600.0)

    filling = Filling(f"http://{host}:{port}", token, key="bench", at_once=AT_ONCE)
    begun = perf_counter()
    for number, phase in enumerate(PHASES):
        acts = demo.acts(phase)
        say(f"a world: {phase}", 0.3 * number / len(PHASES))
        filling.phase(acts, lambda done: None)
    seconds = perf_counter() - begun
    made = demo.acts("posts")
    posts = [
        (post, made[number].user)
        for number, post in filling.filled.posts.items()
        if made[number].fields["visibility"] == "public" and not made[number].fields["is_story"]
    ]
    people = [one.user for one in demo.people]
    return World(people, posts, seconds, filling.filled.done.total())
