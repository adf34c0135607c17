"""What an exception says of itself, whatever it is: those of an entity's own code may fail even at that."""


def shown(error: BaseException) -> str:
    """Its repr. Never raises, also where that does: a `__repr__` may ask for what was never set, or nest too deeply."""
    try:
        return repr(error)
    except Exception as unshown:
        return f"<{type(error).__name__}: its repr raises {type(unshown).__name__}>"


def said(error: BaseException) -> str:
    """Its text, likewise."""
    try:
        return str(error)
    except Exception as unshown:
        return f"<{type(error).__name__}: its text raises {type(unshown).__name__}>"
