"""What `rules:all` and `case:POSTID` can be told."""

from typing import Literal

from msgspec import Struct

from greenroom.actors.model.message import Ask
from greenroom.actors.personal.fields import Personal, Subject


class Verdict(Struct, frozen=True):
    """What the rules make of a text by a user."""

    verdict: Literal["fine", "refuse", "hide", "shadow"]
    rule: str = ""


class Judge(Ask[Verdict], tag="rules.judge"):
    """By feeds and threads, before something is said."""

    author: Subject
    text: Personal[str]
