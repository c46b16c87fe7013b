"""Every role at every address, and that looking changes nothing."""

from __future__ import annotations

import re

import pytest
from django.db import connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import URLPattern

from provisioning.core.roles import CAPABILITIES, Capability, Role
from provisioning.models import ConsoleUser
from tests.security.console import body_of, furnish, patterns

pytestmark = pytest.mark.django_db

GUARDED = [
    pattern
    for pattern in patterns()
    if getattr(pattern.callback, "login_required", True) and pattern.name != "sign-out"
]
_WRITES = re.compile(r"\s*(INSERT|UPDATE|DELETE|REPLACE|MERGE)\b", re.IGNORECASE)


def needed(pattern: URLPattern, method: str) -> Capability:
    """What the view of `pattern` says that it asks for."""
    view = getattr(pattern.callback, "view_class", pattern.callback)
    change = getattr(view, "change_capability", None) if method == "post" else None
    capability = change or view.capability  # type: ignore[union-attr]
    assert isinstance(capability, Capability)
    return capability


@pytest.mark.parametrize("role", list(Role))
def test_each_role_gets_what_it_may_and_nothing_else(role: Role) -> None:
    furnished = furnish()
    user = ConsoleUser.objects.create_user("somebody", "correct horse battery", role=role)
    client = Client(raise_request_exception=False)
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    for pattern in GUARDED:
        for method in ("get", "post"):
            address = furnished.address(pattern)
            allowed = needed(pattern, method) in CAPABILITIES[role]
            with transaction.atomic():
                answer = getattr(client, method)(address)
                transaction.set_rollback(True)
            assert (answer.status_code != 403) is allowed, f"{role} {method} {address}"


def test_looking_at_a_page_writes_nothing(as_administrator: Client) -> None:
    """So a link or an image on somebody else's page does nothing in an administrator's name."""
    furnished = furnish()
    for pattern in patterns():
        address = furnished.address(pattern)
        with CaptureQueriesContext(connection) as queries:
            body_of(as_administrator.get(address))
        written = [each["sql"] for each in queries if _WRITES.match(each["sql"])]
        # Wrong tokens are counted, so that guessing is stopped, or noticed.
        counted = ("django_session", "provisioning_wrongsecrets", "provisioning_refusedfetches")
        written = [sql for sql in written if not any(table in sql for table in counted)]
        assert written == [], address


def test_a_form_of_another_site_is_refused(administrator: ConsoleUser) -> None:
    furnished = furnish()
    client = Client(enforce_csrf_checks=True)
    client.force_login(administrator, backend="django.contrib.auth.backends.ModelBackend")
    for pattern in patterns():
        answer = client.post(furnished.address(pattern))
        # 401 and 429: where a token is asked for, and cookies count for nothing.
        assert answer.status_code in (401, 403, 405, 429), furnished.address(pattern)
