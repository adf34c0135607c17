"""Kinds: what can be known of an entity class from its code alone, checked once when it is installed."""

import importlib
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

import msgspec
from msgspec import Struct

from greenroom.actors.model.actor import Actor
from greenroom.actors.model.entity import each_once, split_entity
from greenroom.actors.model.errors import InvalidCommand, MalformedCommand, NotInRelease, UnknownCommand, UnknownKind
from greenroom.actors.model.kind_rules import broken_rules, list_problems
from greenroom.actors.model.lifecycle import REPORTS
from greenroom.actors.model.message import Event, Message, Tell, reply_type, tag_of
from greenroom.actors.model.principal import user_field_problem, user_fields
from greenroom.actors.model.showing import Showing
from greenroom.actors.model.upcasters import EventDecoder

WHOLE_MAX = 2**53  # beyond, a float may stand for another integer than was meant
_KIND = re.compile(r"[a-z][a-z0-9_]*")
Defaults = Mapping[str, Any]  # field -> its default, as plain data


class BadEntityClass(Exception):
    """An entity class breaks a rule; the text names the class and the rule."""


class OtherReleases:
    """What other releases know, and this one does not: the node fills it, by what nodes that share its database say, or
    did within the last week.

    A name that nobody knows is a mistake of whoever asks. One that another release knows is refused for the time being.
    So is a message that says something in a field which this release does not know: what it says would be lost.
    """

    __slots__ = ("_behind_in", "_names", "fields")

    def __init__(self) -> None:
        self.fields: Mapping[str, Defaults] = {}  # tag of a message -> those of its fields that only others know
        self._names: frozenset[str] = frozenset()
        self._behind_in: frozenset[str] = frozenset()

    def learn(self, names: Collection[str], *, fields: Mapping[str, Defaults], behind_in: Collection[str]) -> bool:
        """All of them know these kinds, by name, these messages, by tag, and these fields, beside what this one does;
        and store of these kinds events that this one can't read, or not wholly. Is any of it news?"""
        before = self._names, self.fields, self._behind_in
        self._names, self.fields, self._behind_in = frozenset(names), fields, frozenset(behind_in)
        return before != (self._names, self.fields, self._behind_in)

    def know(self, name: str) -> bool:
        """A kind, or a message by its tag."""
        return name in self._names

    def store_more_of(self, kind: str) -> bool:
        """Then a state that is built here may lack something, and is not to be kept as if it were whole."""
        return kind in self._behind_in

    def refuse_unread(self, tag: str, body: bytes | msgspec.Raw) -> None:
        """Of a message's JSON object. Raises: NotInRelease when it says something that is not read here;
        MalformedCommand."""
        fields = self.fields.get(tag)
        if fields is None:
            return
        try:
            said = msgspec.json.decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:  # in what this release passes over
            raise MalformedCommand(f"malformed JSON: {error}") from None
        for name, default in fields.items():
            if name in said and said[name] != default:
                raise NotInRelease(f"{tag} has no field {name!r} in this node's release")


class Command:
    """One public command of a kind."""

    __slots__ = ("_decode", "_names_users", "_others", "_tag", "message", "name", "reply")

    def __init__(self, name: str, message: type[Message], others: OtherReleases) -> None:
        self.name = name
        self._tag = tag_of(message)
        self._others = others
        self.message = message
        self.reply: object = reply_type(message)
        self._decode = msgspec.json.Decoder(message).decode
        self._names_users = bool(user_fields(message))

    def decode(self, body: bytes | msgspec.Raw) -> Message:
        """The typed command of a JSON object of its fields. Raises: InvalidCommand, MalformedCommand; NotInRelease
        where it says something that only another release reads."""
        message = self._read(body)
        if self._others.fields:
            self._others.refuse_unread(self._tag, body)
        if self._names_users and (wrong := user_field_problem(message)) is not None:
            field, problem = wrong
            raise InvalidCommand(f"{problem} - at `$.{field}`")  # as msgspec says what is wrong with a field
        return message

    def _read(self, body: bytes | msgspec.Raw) -> Message:
        """Raises: InvalidCommand, MalformedCommand."""
        try:
            return self._decode(body)
        except msgspec.ValidationError as error:
            try:  # JSON knows one sort of number: 3.0 is an integer too
                return self._decode(msgspec.json.encode(_whole(msgspec.json.decode(body))))
            except (msgspec.ValidationError, RecursionError):
                raise InvalidCommand(str(error)) from None
            except (msgspec.DecodeError, UnicodeDecodeError) as malformed:  # behind what did not fit
                raise MalformedCommand(f"malformed JSON: {malformed}") from None
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise MalformedCommand(f"malformed JSON: {error}") from None
        except RecursionError:
            raise MalformedCommand("nested too deeply") from None


class Kind:
    """An entity class with its commands by name and the codecs of its events and its state."""

    def __init__(self, actor: type[Actor[object]], others: OtherReleases | None = None) -> None:
        self.actor = actor
        self._others = others or OtherReleases()
        self.name: str = getattr(actor, "kind", "")
        where = f"{actor.__module__}.{actor.__qualname__}"
        if not _KIND.fullmatch(self.name):
            raise BadEntityClass(f"{where}: `kind` must match [a-z][a-z0-9_]*, not {self.name!r}")
        if not hasattr(actor, "state_type"):
            raise BadEntityClass(f"{where}: derive from Actor[YourState], so that the state's type is known")
        for problem in list_problems(actor):
            raise BadEntityClass(f"{where}: {problem}")
        self.limits = actor.limits
        self.commands: dict[str, Command] = {}
        for message in actor.commands:
            name = self._own_tag(where, message, Message, actor.base_tags)
            if name in self.commands:
                raise BadEntityClass(f"{where}: two commands are named {name!r}")
            self.commands[name] = Command(name, message, self._others)
        for message in actor.internal:
            self._own_tag(where, message, Message, actor.base_tags)
        for event in actor.events:
            self._own_tag(where, event, Event, actor.base_tags)
        for tag, upcaster in actor.upcasters.items():
            owners = (f"{self.name}.", f"{actor.base_tags or self.name}.")
            if not isinstance(tag, str) or not tag.startswith(owners) or not callable(upcaster):
                raise BadEntityClass(f"{where}: `upcasters` maps '{self.name}.something' to a function, not {tag!r}")
        self.messages = frozenset((*actor.commands, *actor.internal, *REPORTS))  # what others may tell it
        self.publish_command: Command | None = None
        if actor.publish_with is not None:
            if actor.publish_with not in actor.commands:
                raise BadEntityClass(f"{where}: `publish_with` must be one of `commands`")
            self.publish_command = self.commands[tag_of(actor.publish_with).partition(".")[2]]
        if actor.durable and not actor.events:
            raise BadEntityClass(f"{where}: a durable entity needs `events`; set durable = False if it has none")
        for problem in broken_rules(actor):
            raise BadEntityClass(f"{where}: {problem}")
        try:
            self.stored_events = EventDecoder(self.name, actor.events, actor.upcasters)
            self.decode_events = self.stored_events.decode
            self._decode_message = msgspec.json.Decoder(_union((*actor.commands, *actor.internal, *REPORTS))).decode
            self._decode_state = msgspec.json.Decoder(actor.state_type).decode
        except TypeError as error:
            raise BadEntityClass(f"{where}: {error}") from error
        self.showing = Showing(actor, self.stored_events)
        self.begins = actor.begin is not Actor.begin

    def _own_tag(self, where: str, cls: type[Struct], base: type[Struct], base_tags: str = "") -> str:
        if not issubclass(cls, base):
            raise BadEntityClass(f"{where}: {cls.__qualname__} must derive from {base.__name__}")
        tag = cls.__struct_config__.tag
        owner, _, name = tag.partition(".") if isinstance(tag, str) else ("", "", "")
        if not name or owner not in (self.name, base_tags or self.name):
            raise BadEntityClass(f"{where}: {cls.__qualname__} needs tag='{self.name}.something', not {tag!r}")
        return name

    def command(self, name: str) -> Command:
        """Raises: UnknownCommand; NotInRelease where another release has it."""
        found = self.commands.get(name)
        if found is None:
            if self._others.know(f"{self.name}.{name}"):
                raise NotInRelease(f"{self.name} has no command {name[:80]!r} in this node's release")
            raise UnknownCommand(f"{self.name} has no command {name[:80]!r}")
        return found

    def decode_message(self, body: bytes) -> Any:
        """A message with its "type", from another entity or another node. Raises: msgspec.MsgspecError, RecursionError;
        NotInRelease where it says something that only another release reads."""
        message = self._decode_message(body)
        if self._others.fields:
            self._others.refuse_unread(tag_of(type(message)), body)
        return message

    @property
    def is_behind(self) -> bool:
        """Does another release store events that this one can't read, or not wholly?"""
        return self._others.store_more_of(self.name)

    def encode_state(self, state: object) -> bytes:
        return msgspec.json.encode(state)

    def decode_state(self, body: bytes) -> Any:
        """Raises: msgspec.DecodeError when the snapshot is of an incompatible shape."""
        return self._decode_state(body)


class Kinds:
    """The kinds installed in this process, by name."""

    def __init__(self, actors: Iterable[type[Actor[object]]] = ()) -> None:
        self._kinds: dict[str, Kind] = {}
        self.others = OtherReleases()
        for actor in actors:
            self.install(actor)

    def install(self, actor: type[Actor[object]]) -> None:
        """Raises: BadEntityClass, also when another class has the kind's name already."""
        kind = Kind(actor, self.others)
        if kind.name in self._kinds:
            raise BadEntityClass(f"two entity classes have the kind {kind.name!r}")
        self._kinds[kind.name] = kind

    def __getitem__(self, name: str) -> Kind:
        """Raises: UnknownKind; NotInRelease where another release has it."""
        kind = self._kinds.get(name)
        if kind is None:
            if self.others.know(name):
                raise NotInRelease(f"no entity kind {name[:80]!r} in this node's release")
            raise UnknownKind(f"no entity kind {name[:80]!r}")
        return kind

    def of(self, entity: str) -> Kind:
        """Of the entity `kind:key`. Raises: UnknownKind, NotInRelease."""
        return self[entity.partition(":")[0]]

    def is_durable(self, entity: str, message: Message) -> bool:
        """Has that entity a journal? Raises: BadEntity, TypeError when its kind is not installed, or takes no such
        message: what tells it is a mistake in code, and nothing that a client can be told.
        """
        name = split_entity(entity)[0]
        kind = self._kinds.get(name)
        if kind is None:
            raise TypeError(f"{entity}: no kind {name!r} is installed")
        if kind.actor.durable and type(message) not in kind.messages:
            raise TypeError(f"{name} takes no {type(message).__qualname__}: name it in `commands` or `internal`")
        return kind.actor.durable

    def nudged(self, entities: Iterable[str], message: Message) -> list[str]:
        """Those that are to be nudged with that message, each once. Raises: BadEntity, ValueError: see `each_once`;
        TypeError, too, when a kind is not installed or has no such Tell among `internal`: a mistake in code, as above.
        """
        found = each_once(entities)
        for name in {entity.partition(":")[0] for entity in found}:
            kind = self._kinds.get(name)
            if kind is None or not isinstance(message, Tell) or type(message) not in kind.actor.internal:
                raise TypeError(
                    f"{name} is nudged with {type(message).__qualname__}, which is no Tell of its `internal`"
                )
        return found

    def __contains__(self, name: str) -> bool:
        return name in self._kinds

    def __iter__(self) -> Iterator[Kind]:
        return iter(self._kinds.values())


def find_classes(import_path: str) -> list[type]:
    """The classes that `package.module` defines, re-exports from inside or names in `__all__`, or the one at
    `package.module:Class`.

    Raises: BadEntityClass naming the path when it can't be imported.
    """
    module_name, _, class_name = import_path.partition(":")
    try:
        module = importlib.import_module(module_name)
    except Exception as error:
        raise BadEntityClass(f"GREENROOM_ENTITIES: cannot import {module_name!r}: {error}") from error
    if class_name:
        found = getattr(module, class_name, None)
        return [found] if isinstance(found, type) else []
    named = set(getattr(module, "__all__", ()))
    return [
        item
        for name, item in vars(module).items()
        if isinstance(item, type) and (name in named or f"{item.__module__}.".startswith(f"{module_name}."))
    ]


def actors_among(classes: Iterable[type]) -> list[type[Actor[object]]]:
    """Those that are entity classes, and no bases of some."""
    return [item for item in classes if issubclass(item, Actor) and hasattr(item, "kind")]


def find_actors(import_path: str) -> list[type[Actor[object]]]:
    """The entity classes at a path: see `find_classes`. Raises: BadEntityClass, also when there is none."""
    actors = actors_among(find_classes(import_path))
    if not actors:
        raise BadEntityClass(f"GREENROOM_ENTITIES: {import_path!r} holds no entity class (a subclass of Actor)")
    return actors


def _whole(value: Any) -> Any:
    """Plain JSON with each number that is whole and exact as an int."""
    match value:
        case float() if value.is_integer() and abs(value) <= WHOLE_MAX:
            return int(value)
        case dict():
            return {name: _whole(one) for name, one in value.items()}
        case list():
            return [_whole(one) for one in value]
        case _:
            return value


def _union(types: tuple[type[Struct], ...]) -> object:
    union: object = types[0] if types else Message
    for item in types[1:]:
        union = union | item
    return union
