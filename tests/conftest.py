"""What every test may use: console users of each role, and Celery messages only collected."""

from __future__ import annotations

import pytest
from django.test import Client
from hypothesis import HealthCheck, settings

from provisioning.core.roles import Role
from provisioning.models import ConsoleUser
from provisioning.services import wake

PASSWORD = "correct horse battery"

# The same examples each time and everywhere, however long a busy machine takes for one.
settings.register_profile(
    "certain",
    settings.get_profile("ci"),
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
settings.load_profile("certain")


@pytest.fixture(autouse=True)
def messages(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, tuple[int, ...]]]:
    """Celery messages sent after commit, collected instead of sent: tests call the services
    themselves.
    """
    sent: list[tuple[str, tuple[int, ...]]] = []
    monkeypatch.setattr(wake, "_send", lambda task, arguments, *_: sent.append((task, arguments)))
    return sent


@pytest.fixture
def administrator(db: None) -> ConsoleUser:
    """A console user who may do everything, exporting secrets among it."""
    return ConsoleUser.objects.create_user(
        "anna", PASSWORD, name="Anna Admin", role=Role.ADMINISTRATOR, may_export_secrets=True
    )


@pytest.fixture
def helpdesk(db: None) -> ConsoleUser:
    """A console user of the help desk."""
    return ConsoleUser.objects.create_user("henry", PASSWORD, name="Henry Help", role=Role.HELPDESK)


@pytest.fixture
def viewer(db: None) -> ConsoleUser:
    """A console user who may only look."""
    return ConsoleUser.objects.create_user("vera", PASSWORD, name="Vera View", role=Role.VIEWER)


def _signed_in(user: ConsoleUser) -> Client:
    client = Client()
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return client


@pytest.fixture
def as_administrator(administrator: ConsoleUser) -> Client:
    """A browser in which the administrator is signed in."""
    return _signed_in(administrator)


@pytest.fixture
def as_helpdesk(helpdesk: ConsoleUser) -> Client:
    """A browser in which the help desk is signed in."""
    return _signed_in(helpdesk)


@pytest.fixture
def as_viewer(viewer: ConsoleUser) -> Client:
    """A browser in which the viewer is signed in."""
    return _signed_in(viewer)
