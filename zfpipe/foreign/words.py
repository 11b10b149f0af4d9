"""The words of other libraries' errors, fit for one line."""

import re
import textwrap

ESCAPE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
LONGEST = 200


def said(words: object) -> str:
    """Return the words in one line: without terminal codes, cut between two words where they are long."""
    text = " ".join(ESCAPE.sub("", str(words)).split())
    shown = "".join(letter if letter.isprintable() else "?" for letter in text)
    return textwrap.shorten(shown, LONGEST, placeholder=" ...") if len(shown) > LONGEST else shown


def failed(error: BaseException) -> str:
    """Return what went wrong in somebody else's code: kind, words, and the file and line where it did."""
    trace, place = error.__traceback__, ""
    while trace is not None:
        file = trace.tb_frame.f_code.co_filename
        if not file.startswith("<"):  # the import system's own frames
            place = f"{file.replace(chr(92), '/').rpartition('/')[2]}, line {trace.tb_lineno}"
        trace = trace.tb_next
    where = "" if isinstance(error, SyntaxError) or not place else f" ({place})"  # a SyntaxError says it itself
    return said(f"{type(error).__name__}: {error}{where}")
