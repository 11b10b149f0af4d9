"""The one exception that a user's mistake raises."""


class UserError(Exception):
    """A mistake the user can mend: one line that says what, got, allowed and the mend.

    `zfpipe.stage` prints it without a traceback and exits with status 1. Mistakes of the program
    itself stay assertions or ordinary exceptions and keep their traceback.
    """
