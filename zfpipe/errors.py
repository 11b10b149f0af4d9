"""The only exception for a user's mistakes."""


class UserError(Exception):
    """A mistake that the user can mend. One line says what and where, what was got, what is allowed, and the mend.

    `zfpipe.stage` prints the line without a traceback and exits with status 1. Mistakes of the program itself stay
    assertions or ordinary exceptions and keep their traceback.
    """
