"""What a row of the table is."""

import contextlib

from wmbench.bench import Side

WEMMICK = Side("Wemmick", "wemmick")
POSTFIX = Side("Postfix", "postfix")
DOVECOT = Side("Dovecot", "dovecot")


class Row:
    """A name, sizes, sides, and how to measure one of them."""

    name = None
    title = None
    unit = "operation"
    full, quick = 1000, 200  # what `count` is
    sides = (WEMMICK, DOVECOT)
    target_us = None         # CPU for each operation
    memory = False           # KiB instead of CPU
    both = False             # CPU until the reply is shown, too
    compared = True          # do the sides do the same?
    count_part = 4           # of count, where calls are counted
    most_rounds = 9          # for rows that take long

    def __init__(self, **changes):
        for k, v in changes.items():
            if not hasattr(self, k):
                raise AttributeError(k)
            setattr(self, k, v)

    def prepare(self, bench, server, side, count):
        """What is done before and not measured."""

    def settle(self, bench, server):
        """Wait for what is put off and belongs to the work."""

    @contextlib.contextmanager
    def work(self, bench, server, side, count):
        """Gives a function that works and returns its ops and seconds."""
        raise NotImplementedError
