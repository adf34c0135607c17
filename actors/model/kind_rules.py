"""What an entity class must be, told by rule. Broken, each of these would show only when somebody speaks to the entity.

Decided from the class alone: what is asked for is read off its attributes, the annotations of `handle`, and an empty
state. The texts say what to do; `Kind` puts the class's name before them.
"""

import inspect as stdlib_inspect
import types
import typing
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Any, Union

import msgspec
import msgspec.inspect as inspect

from greenroom.actors.model.actor import Actor, KindLimits
from greenroom.actors.model.message import Done, reply_type

LISTS = ("commands", "internal", "events", "hidden", "ephemerals")
TYPES_KEPT_MAX = 2048  # of which it is remembered what is wrong with them


def list_problems(actor: type[Actor[object]]) -> Iterator[str]:
    """`commands` and its like are tuples of classes."""
    for name in LISTS:
        listed: object = getattr(actor, name)
        if isinstance(listed, type):
            shown = listed.__qualname__
            yield f"`{name} = ({shown})` is the class itself: add the comma, `({shown},)`"
        elif not isinstance(listed, (tuple, list)):
            yield f"`{name}` must be a tuple of classes, not {listed!r:.80}"
        else:
            for item in listed:
                if not isinstance(item, type):
                    yield f"`{name}` holds classes, not {item!r:.80}"


def limits_problems(actor: type[Actor[object]]) -> Iterator[str]:
    """`limits` holds numbers of the right kind, within their bounds: a wrong one would show where it is first used."""
    limits: object = actor.limits
    if not isinstance(limits, KindLimits):
        yield f"`limits` must be KindLimits(...), not {limits!r:.80}"
        return
    for field in msgspec.structs.fields(KindLimits):
        value = getattr(limits, field.name)
        problem = _limit_problem(value, field)
        if problem:
            yield f"`limits.{field.name}` is {value!r:.80}: {problem}"


def _limit_problem(value: object, field: msgspec.structs.FieldInfo) -> str:
    if value != value:
        return "NaN is no number"
    if isinstance(field.default, int) and not isinstance(value, int):
        return "expected a whole number"
    try:
        msgspec.convert(value, field.type)
    except msgspec.ValidationError as error:
        return str(error)
    return ""


def method_problems(actor: type[Actor[object]]) -> Iterator[str]:
    """What is told has a `handle`, what happens an `apply`, and what clients speak to a `view`."""
    if (actor.commands or actor.internal) and actor.handle is Actor.handle:
        yield "it takes messages and has no `handle`: write `def handle(self, message)`"
    if actor.events and actor.apply is Actor.apply:
        yield "it records events and has no `apply`: write `def apply(self, event)`, or its state never changes"
    if actor.commands and actor.view is Actor.view:
        yield "clients speak to it and it has no `view`: write `def view(self)`, `return {}` if there is nothing to see"


def publication_problems(actor: type[Actor[object]]) -> Iterator[str]:
    """`publication` is asked of the class: where history is read no entity need be awake."""
    if not isinstance(stdlib_inspect.getattr_static(actor, "publication"), (classmethod, staticmethod)):
        yield "`publication` decides from the event alone: put `@classmethod` before `def publication(cls, event)`"
    for event in actor.hidden:
        if event not in actor.events:
            yield f"{event.__qualname__} is among `hidden`, and not among `events`"


def state_problems(actor: type[Actor[object]]) -> Iterator[str]:
    """A state begins empty, and comes back from its snapshot as it was. Without a journal it is never encoded."""
    state_type = actor.state_type
    shown = getattr(state_type, "__qualname__", repr(state_type))
    try:
        empty = state_type()
    except Exception as error:  # the entity's own type may raise anything
        yield f"an entity begins with `{shown}()`, which fails: give every field of the state a default ({error})"
        return
    if not actor.durable:
        return
    yield from body_problems(f"its state {shown}", state_type)
    try:
        body = msgspec.json.encode(empty)
        again = msgspec.json.decode(body, type=state_type)
    except Exception as error:  # the entity's own type may raise anything
        yield f"its state {shown} can't be saved as JSON and read again: {error}"
        return
    if again != empty:
        yield f"its state {shown} changes when it is saved as JSON: {empty!r:.120} comes back as {again!r:.120}"


def body_problems(what: str, body: object) -> Iterator[str]:
    """Whatever is stored or sent is of types that have a JSON form. `what` names it in the text."""
    try:
        hash(body)
    except TypeError:  # what stands in an annotation need not be hashable
        found = _problem(body)
    else:
        found = _problem_once(body)
    if found:
        yield f"{what}: {found}"


def _problem(body: object) -> str:
    try:
        msgspec.json.Decoder(body)
        return next(_without_json(inspect.type_info(body)), "")
    except TypeError as error:
        return str(error)


# A process in which many nodes live, as tests have, asks the same of the same types again and again.
_problem_once = lru_cache(maxsize=TYPES_KEPT_MAX)(_problem)


def message_problems(actor: type[Actor[object]]) -> Iterator[str]:
    """Messages, their replies and events can be sent and stored."""
    for message in (*actor.commands, *actor.internal):
        yield from body_problems(message.__qualname__, message)
        reply = reply_type(message)
        if reply is not None:
            yield from body_problems(f"the reply of {message.__qualname__}", reply)
    for event in actor.events:
        yield from body_problems(event.__qualname__, event)


def handle_problems(actor: type[Actor[object]]) -> Iterator[str]:
    """`handle` takes every message and returns the replies they promise, as far as its annotations say."""
    try:
        hints = typing.get_type_hints(actor.handle)
    except (NameError, AttributeError, TypeError):  # names that only type checkers see: then they alone judge
        return
    returned = hints.pop("return", Any)
    taken = next(iter(hints.values()), Any)
    for message in (*actor.commands, *actor.internal):
        if not _covers(taken, message):
            yield f"`handle` is annotated to take {_shown(taken)}, and {message.__qualname__} is not among that"
        reply = reply_type(message)
        promised = Done if reply is None else reply
        if not _covers(returned, promised) and not (promised is Done and _covers(returned, None)):
            yield (
                f"{message.__qualname__} promises the reply {_shown(promised)}, and `handle` is annotated to return "
                f"{_shown(returned)}"
            )


def broken_rules(actor: type[Actor[object]]) -> Iterator[str]:
    """All of them, for a class whose lists are tuples of messages and events."""
    yield from limits_problems(actor)
    yield from method_problems(actor)
    yield from publication_problems(actor)
    yield from state_problems(actor)
    yield from message_problems(actor)
    yield from handle_problems(actor)


def _alternatives(hint: object) -> Iterable[object]:
    if typing.get_origin(hint) in (Union, types.UnionType):
        return typing.get_args(hint)
    return (hint,)


def _covers(hint: object, wanted: object) -> bool:
    """Is all that `wanted` may be among what the annotation says? Where that can't be told, yes."""
    known = [type(None) if one is None else one for one in _alternatives(hint)]
    if any(one is Any or isinstance(one, typing.TypeVar) for one in known):
        return True
    for one in _alternatives(wanted):
        one = type(None) if one is None else one
        if one is Any or one in known:
            continue
        classes = [typing.get_origin(hint) or hint for hint in known]
        if not isinstance(one, type) or not any(isinstance(cls, type) and issubclass(one, cls) for cls in classes):
            return False
    return True


def _shown(hint: object) -> str:
    return " | ".join(
        "None" if one in (None, type(None)) else getattr(one, "__name__", str(one)) for one in _alternatives(hint)
    )


def _without_json(info: inspect.Type) -> Iterator[str]:
    """What anywhere inside a type can neither be written as JSON nor read."""
    seen: set[int] = set()  # types may hold themselves
    waiting: list[object] = [info]
    while waiting:
        one = waiting.pop()
        match one:
            case tuple() | list():
                waiting.extend(one)
            case inspect.CustomType(cls=cls):
                yield f"{cls.__qualname__} has no JSON form: use a msgspec.Struct or a dataclass"
            case inspect.DictType(key_type=inspect.CollectionType() | inspect.TupleType() | inspect.StructType()):
                yield "a dict's keys are texts or numbers in JSON"
            case inspect.Type() | inspect.Field() if id(one) not in seen:
                seen.add(id(one))
                waiting.extend(getattr(one, name) for name in one.__struct_fields__ if name not in ("cls", "default"))
