"""What belongs to users, found by user."""

from greenroom.transports.hub.by_user import ByUser


class Thing:
    pass


def test_what_users_have_is_known_oldest_first_and_nothing_is_kept_of_those_who_have_nothing_left() -> None:
    things: ByUser[Thing] = ByUser()
    first, second, third, bobs = Thing(), Thing(), Thing(), Thing()
    for user, one in (("ann", first), ("ann", second), ("ann", first), ("bob", bobs), ("ann", third)):
        things.add(user, one)
    assert (things.of("ann"), things.of("bob"), things.of("cleo")) == ([first, second, third], [bobs], [])
    things.remove("ann", first)
    things.remove("ann", first)
    assert things.of("ann") == [second, third]
    things.remove("ann", third)
    things.remove("ann", bobs)
    assert things.of("ann") == [second]
    things.add("ann", third)
    assert things.of("ann") == [second, third]
    things.remove("ann", second)
    things.remove("ann", third)
    things.remove("bob", first)
    assert len(things) == 1
    things.remove("bob", bobs)
    things.remove("bob", bobs)
    things.remove("nobody", bobs)
    assert (things.of("bob"), len(things)) == ([], 0)
