"""Settings of the test run: data of its own, loopback allowed, short leases; PostgreSQL where asked for."""

import os
import tempfile

_TEMPORARY = tempfile.mkdtemp(prefix="rtcadmin-test-")
os.environ.update(
    RTCADMIN_DATA=_TEMPORARY,
    RTCADMIN_ALLOW_LOOPBACK="1",
    RTCADMIN_SQLITE_STORES=tempfile.gettempdir(),
    RTCADMIN_BROKER_URL="memory://",
    RTCADMIN_SERVER_CONNECT_TIMEOUT="1",
    RTCADMIN_SERVER_TOTAL_TIMEOUT="3",
    RTCADMIN_LDAP_CONNECT_TIMEOUT="1",
    RTCADMIN_LDAP_READ_TIMEOUT="5",
    RTCADMIN_LOG_LEVEL="WARNING",
)

from rtcadmin.settings import *  # noqa: E402, F403

# Scrypt is slow on purpose; tests sign in hundreds of times.
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
