"""Signing in and out with a local console user."""

from __future__ import annotations

import pytest
from axes.models import AccessAttempt
from django.conf import settings
from django.db import connection
from django.test import Client
from django.utils import timezone

from provisioning.models import AuditEvent, ConsoleUser
from tests.conftest import PASSWORD

pytestmark = pytest.mark.django_db

# The same name in the letters of another block: NFKC makes it "anna".
WIDE = "\uff41\uff4e\uff4e\uff41"


def attempt(client: Client, name: str, password: str, goal: str = "") -> int:
    answer = client.post("/sign-in/", {"username": name, "password": password, "next": goal})
    return answer.status_code


def test_every_page_leads_to_the_sign_in_and_back(administrator: ConsoleUser) -> None:
    client = Client()
    answer = client.get("/audit/?actor=x")
    assert answer["Location"] == "/sign-in/?next=/audit/%3Factor%3Dx"
    page = client.get(answer["Location"])
    assert 'name="next" value="/audit/?actor=x"' in page.content.decode()
    values = {"username": "anna", "password": PASSWORD, "next": "/audit/?actor=x"}
    assert client.post("/sign-in/", values)["Location"] == "/audit/?actor=x"
    assert client.get("/audit/").status_code == 200
    assert AuditEvent.objects.filter(action="signed in", actor=administrator).count() == 1


def test_a_user_name_in_another_spelling_is_the_same(administrator: ConsoleUser) -> None:
    assert attempt(Client(), f" {WIDE} ", PASSWORD) == 302


@pytest.mark.parametrize(
    ("name", "password"),
    [("anna", "wrong"), ("nobody", PASSWORD), ("anna", PASSWORD + " "), ("an\0na", PASSWORD)],
)
def test_a_refusal_says_not_which_part_was_wrong(
    administrator: ConsoleUser, name: str, password: str
) -> None:
    client = Client()
    answer = client.post("/sign-in/", {"username": name, "password": password})
    assert answer.status_code == 422
    assert "_auth_user_id" not in client.session
    if "\0" not in name:
        assert "This user name and password do not let you in." in answer.content.decode()


@pytest.mark.parametrize(
    "goal", ["https://evil.example/", "//evil.example", "/\\evil.example", "javascript:alert(1)"]
)
def test_signing_in_leads_only_into_the_console(administrator: ConsoleUser, goal: str) -> None:
    client = Client()
    values = {"username": "anna", "password": PASSWORD, "next": goal}
    assert client.post("/sign-in/", values)["Location"] == "/"


def test_the_session_key_changes_at_sign_in(administrator: ConsoleUser) -> None:
    client = Client()
    before = client.session
    before["planted"] = True
    before.save()
    client.cookies[settings.SESSION_COOKIE_NAME] = str(before.session_key)
    assert attempt(client, "anna", PASSWORD) == 302
    assert client.session.session_key != before.session_key


def test_after_five_wrong_attempts_even_the_right_password_waits(
    administrator: ConsoleUser, viewer: ConsoleUser
) -> None:
    client = Client()
    names = ["anna", "Anna", "ANNA ", "anna", WIDE]
    assert [attempt(client, name, "wrong") for name in names] == [422] * 4 + [429]
    answer = client.post("/sign-in/", {"username": "anna", "password": PASSWORD})
    assert answer.status_code == 429
    assert "closed from your address for 15 minutes" in answer.content.decode()
    assert answer["Retry-After"] == "900"
    assert attempt(client, "vera", PASSWORD) == 302


def test_a_blocked_console_user_neither_signs_in_nor_stays(administrator: ConsoleUser) -> None:
    client = Client()
    assert attempt(client, "anna", PASSWORD) == 302
    ConsoleUser.objects.update(is_active=False)
    assert client.get("/audit/").status_code == 302
    assert attempt(client, "anna", PASSWORD) == 422


def test_signing_out_takes_a_post(as_viewer: Client, viewer: ConsoleUser) -> None:
    assert as_viewer.get("/sign-out/").status_code == 405
    assert as_viewer.post("/sign-out/")["Location"] == "/sign-in/"
    assert as_viewer.get("/").status_code == 302
    assert AuditEvent.objects.filter(action="signed out", actor=viewer).exists()


def test_somebody_who_is_signed_in_is_sent_on(as_viewer: Client) -> None:
    assert as_viewer.get("/sign-in/?next=/audit/")["Location"] == "/audit/"


def test_the_sign_in_form_is_protected_against_other_sites(administrator: ConsoleUser) -> None:
    client = Client(enforce_csrf_checks=True)
    assert attempt(client, "anna", PASSWORD) == 403


def test_a_password_typed_as_the_user_name_is_kept_nowhere(
    administrator: ConsoleUser, caplog: pytest.LogCaptureFixture
) -> None:
    """It is counted all the same, and so is a name that exists, under itself."""
    caplog.set_level("DEBUG")
    assert [attempt(Client(), PASSWORD, "anna") for _ in range(5)] == [422] * 4 + [429]
    assert attempt(Client(), PASSWORD.upper(), "anna") == 429
    attempt(Client(), "anna", "wrong")
    tables = connection.introspection.table_names()
    with connection.cursor() as cursor:
        for table in tables:
            cursor.execute(f'SELECT * FROM "{table}"')  # noqa: S608
            assert PASSWORD not in repr(cursor.fetchall()).casefold(), table
    assert PASSWORD not in caplog.text.casefold()
    names = AccessAttempt.objects.values_list("username", "failures_since_start")
    assert dict(names)["anna"] == 1
    assert sorted(dict(names).values()) == [1, 5]


def test_trying_on_neither_prolongs_the_wait_nor_fills_the_database(
    administrator: ConsoleUser,
) -> None:
    attempts = [attempt(Client(), "anna", "wrong") for _ in range(5)]
    kept = AccessAttempt.objects.values().get()
    attempts += [attempt(Client(), "anna", "wrong", goal="x" * 500) for _ in range(3)]
    assert attempts == [422] * 4 + [429] * 4
    assert AccessAttempt.objects.values().get() == kept
    waited = timezone.now() - settings.AXES_COOLOFF_TIME
    AccessAttempt.objects.update(attempt_time=waited)
    assert attempt(Client(), "anna", PASSWORD) == 302
