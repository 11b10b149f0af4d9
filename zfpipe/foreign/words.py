"""Shorten other libraries' error messages to one line."""

import re
import textwrap

ESCAPE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
LONGEST = 200


def said(words: object) -> str:
    """Return a message in one line, without terminal codes, cut after a word if it is long."""
    text = " ".join(ESCAPE.sub("", str(words)).split())
    shown = "".join(letter if letter.isprintable() else "?" for letter in text)
    return textwrap.shorten(shown, LONGEST, placeholder=" ...") if len(shown) > LONGEST else shown


def failed(error: BaseException) -> str:
    """Return what went wrong in other code: kind of error, message, and the file and line of the error."""
    trace, place = error.__traceback__, ""
    while trace is not None:
        file = trace.tb_frame.f_code.co_filename
        if not file.startswith("<"):  # skip the frames of the import system
            place = f"{file.replace(chr(92), '/').rpartition('/')[2]}, line {trace.tb_lineno}"
        trace = trace.tb_next
    # The message of a SyntaxError names file and line
    where = "" if isinstance(error, SyntaxError) or not place else f" ({place})"
    return said(f"{type(error).__name__}: {error}{where}")
