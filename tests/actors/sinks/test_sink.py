"""Batches, and names of sinks."""

from greenroom import Batch, Origin, Sink
from tests.actors.views.shows import Clapped


class ToWarehouse(Sink, version=3):
    of = (Clapped,)


def test_a_name_is_the_class_s() -> None:
    assert (ToWarehouse.name, ToWarehouse.version) == ("to_warehouse", 3)


def test_a_batch_is_walked_in_order() -> None:
    origins = [Origin("show:a", number, 1000 * number) for number in (1, 2)]
    batch = Batch([(Clapped(user="ann"), of) for of in origins], {"show:a": "e"})
    assert [of for _, of in batch] == origins and len(batch) == 2 and batch.epoch(origins[0]) == "e"
