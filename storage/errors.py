"""The one base of every expected failure: its text is a sentence that a user can act on."""

from __future__ import annotations


class MynahError(Exception):
    """An expected failure. `str(error)` is a whole sentence for the user, the remedy included.

    Scripts and windows catch it at their edge and print it; scripts end with exit status 2.
    """
