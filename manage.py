#!/usr/bin/env python3
"""The command line of rtcadmin."""

import os
import select
import sys

from django.core.management import execute_from_command_line
from django.db.utils import OperationalError, ProgrammingError

# What a shell says of a program that was ended by a signal: 128 and the signal's number.
_NOBODY_READS = 141
_INTERRUPTED = 130


def main() -> None:
    """Run a command; it ends in words where it is interrupted or its database is not there."""
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
    except KeyboardInterrupt:
        sys.stderr.write("Interrupted. What was done before stays done.\n")
        sys.exit(_INTERRUPTED)
    except (OperationalError, ProgrammingError) as error:
        if "--traceback" in sys.argv:
            raise
        sys.exit(
            f"The console's database cannot be used: {str(error).splitlines()[0]}\n"
            "Look at RTCADMIN_DATABASE_URL and RTCADMIN_DATA, whether the database runs, and "
            "whether “manage.py migrate” was run with this version. --traceback says where."
        )


def _nobody_reads() -> bool:
    """Whether it was the output that broke, and not a connection to somewhere."""
    output = select.poll()
    output.register(sys.stdout.fileno(), 0)
    return any(event & select.POLLERR for _, event in output.poll(0))


if __name__ == "__main__":
    main()
