#!/usr/bin/env python3
"""The command line of rtcadmin."""

import os
import select
import sys

from django.core.management import execute_from_command_line

# What a shell says of a program that wrote to a pipe which nobody reads any more (128 + SIGPIPE).
_NOBODY_READS = 141


def main() -> None:
    """Run a command; end quietly when whoever reads its output has enough, as `head` does."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "rtcadmin.settings")
    try:
        try:
            execute_from_command_line(sys.argv)
        finally:
            sys.stdout.flush()
    except BrokenPipeError:
        if not _nobody_reads():
            raise
        # Rows that were just being read are let go only now, when their database is closed.
        sys.unraisablehook = lambda _: None
        # Python writes what is left once more when it ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(_NOBODY_READS)


def _nobody_reads() -> bool:
    """Whether it was the output that broke, and not a connection to somewhere."""
    output = select.poll()
    output.register(sys.stdout.fileno(), 0)
    return any(event & select.POLLERR for _, event in output.poll(0))


if __name__ == "__main__":
    main()
