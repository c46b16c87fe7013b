"""Under which name failed sign-ins are counted: never what may be a password in the wrong field."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.http import HttpRequest
from django.utils.crypto import salted_hmac

from provisioning.models import ConsoleUser

# Attempts with a wrong setup token; no console user has a name with a blank in it.
FIRST_START = {"username": "first start"}


def counted_name(request: HttpRequest, credentials: Mapping[str, Any] | None = None) -> str:
    """The name of a console user as it is, any other as a keyed fingerprint.

    Called by django-axes, which keeps it in its tables: the same name gives the same count.
    """
    given = (credentials or request.POST).get("username") or ""
    name = ConsoleUser.normalize_username(str(given)).casefold()
    if name == FIRST_START["username"] or ConsoleUser.objects.filter(username=name).exists():
        return name
    return f"unknown {salted_hmac('sign-in attempt', name, algorithm='sha256').hexdigest()[:32]}"
