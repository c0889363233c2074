"""What logs may show of an error."""

from shared.errors import PantryError


def where(error: BaseException) -> str:
    """Return the error's class and the line that raised it, without its text.

    A client's error that an edge translated is named too, with its own line.
    """
    # The text may quote a lead; class and line can't.
    client = error.__cause__ if isinstance(error, PantryError) else None
    name = f"{type(error).__name__} ({type(client).__name__})" if client else type(error).__name__
    frame = (client or error).__traceback__
    while frame is not None and frame.tb_next is not None:
        frame = frame.tb_next
    place = f" at {frame.tb_frame.f_globals.get('__name__')}:{frame.tb_lineno}" if frame else ""
    return f"{name}{place}"
