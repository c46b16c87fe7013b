"""Settings of the test run: own data, loopback allowed, PostgreSQL if asked."""

import atexit
import os
import shutil
import tempfile

_TEMPORARY = tempfile.mkdtemp(prefix="rtcadmin-test-")
atexit.register(shutil.rmtree, _TEMPORARY, ignore_errors=True)
os.environ.update(
    RTCADMIN_DATA=_TEMPORARY,
    RTCADMIN_ALLOW_LOOPBACK="1",
    RTCADMIN_SQLITE_STORES=tempfile.gettempdir(),
    RTCADMIN_BROKER_URL="memory://",
    RTCADMIN_LOG_LEVEL="WARNING",
)
# One cluster serves the whole run: the first process starts it, xdist's workers inherit its
# address.
if (
    os.environ.get("RTCADMIN_TEST_DATABASE") == "postgresql"
    and "RTCADMIN_DATABASE_URL" not in os.environ
):
    from contextlib import ExitStack

    from lab.postgresql import temporary_postgresql

    _open = ExitStack()
    atexit.register(_open.close)
    _cluster = _open.enter_context(temporary_postgresql())
    os.environ["RTCADMIN_DATABASE_URL"] = _cluster.url("postgres")

from rtcadmin.settings import *  # noqa: E402, F403

# Scrypt is slow on purpose; tests sign in hundreds of times.
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]

# A file, not memory: two connections then see each other and wait for each other, as in real life.
if "RTCADMIN_DATABASE_URL" not in os.environ:
    DATABASES["default"]["TEST"] = {"NAME": f"{_TEMPORARY}/test.sqlite3"}  # noqa: F405
