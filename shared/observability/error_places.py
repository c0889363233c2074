"""What logs may show of an error."""


def where(error: BaseException) -> str:
    """Return the error's class and the line that raised it, without its text."""
    # The text may quote a lead; class and line can't.
    frame = error.__traceback__
    while frame is not None and frame.tb_next is not None:
        frame = frame.tb_next
    place = f" at {frame.tb_frame.f_globals.get('__name__')}:{frame.tb_lineno}" if frame else ""
    return f"{type(error).__name__}{place}"
