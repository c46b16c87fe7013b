"""Settings of django-python3-ldap, the peer: the same databases, the attributes that it keeps."""

import os
from pathlib import Path

from rtcadmin import environment

SECRET_KEY = "a bench needs no secret"  # noqa: S105
INSTALLED_APPS = ["django.contrib.auth", "django.contrib.contenttypes", "django_python3_ldap"]
USE_TZ = True
DATABASES = {
    "default": environment.database(
        os.environ["PEER_DATABASE_URL"], Path(os.environ["PEER_SQLITE_FILE"])
    )
}
LDAP_AUTH_URL = [os.environ["PEER_LDAP_URI"]]
LDAP_AUTH_CONNECTION_USERNAME = os.environ["PEER_BIND_DN"]
LDAP_AUTH_CONNECTION_PASSWORD = os.environ["PEER_BIND_PASSWORD"]
LDAP_AUTH_FORMAT_USERNAME = "bench.peer_settings.as_it_is"
LDAP_AUTH_SEARCH_BASE = os.environ["PEER_BASE"]
LDAP_AUTH_OBJECT_CLASS = "inetOrgPerson"
LDAP_AUTH_USER_FIELDS = {
    "username": "uid",
    "first_name": "givenName",
    "last_name": "sn",
    "email": "mail",
}


def as_it_is(fields: dict[str, str]) -> str:
    """The bind account is a DN already."""
    return fields["username"]
