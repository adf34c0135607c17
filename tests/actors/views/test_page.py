from greenroom import Page


def test_an_order_is_one_field_or_several() -> None:
    assert Page().terms == ()
    assert Page(order="-claps").terms == ("-claps",)
    assert Page(order=("-claps", "user")).terms == ("-claps", "user")
