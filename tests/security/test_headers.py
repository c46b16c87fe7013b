"""What every answer says to the browser, and what the console believes of a request."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from pytest_django import Settings

from provisioning.models import ConsoleUser
from tests.conftest import PASSWORD
from tests.security.console import furnish, patterns

pytestmark = pytest.mark.django_db

POLICY = (
    "default-src 'none'", "script-src 'self'", "style-src 'self'", "form-action 'self'",
    "base-uri 'none'", "frame-ancestors 'none'",
)  # fmt: skip


def check(answer: Any, address: str) -> None:
    for directive in POLICY:
        assert directive in answer["Content-Security-Policy"], address
    assert "unsafe" not in answer["Content-Security-Policy"]
    assert answer["X-Frame-Options"] == "DENY", address
    assert answer["X-Content-Type-Options"] == "nosniff", address
    assert answer["Referrer-Policy"] == "same-origin", address
    assert answer["Cross-Origin-Opener-Policy"] == "same-origin", address


def test_every_answer_carries_the_policy(administrator: ConsoleUser) -> None:
    client = Client(raise_request_exception=False)
    client.force_login(administrator, backend="django.contrib.auth.backends.ModelBackend")
    furnished = furnish()
    for pattern in patterns():
        address = furnished.address(pattern)
        check(client.get(address), address)
        check(Client().get(address), address)


def test_errors_carry_the_policy(
    administrator: ConsoleUser, as_viewer: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    check(as_viewer.get("/nowhere/"), "404")
    check(as_viewer.get("/administration/"), "403")
    check(as_viewer.get("/audit/?cursor=made-up"), "400")
    strict = Client(enforce_csrf_checks=True)
    check(strict.post("/sign-in/"), "CSRF")
    monkeypatch.setattr("provisioning.services.clients.links.fetch_document", None)
    monkeypatch.setattr("provisioning.api.links.fetch_document", None)
    failing = Client(raise_request_exception=False)
    answer = failing.get("/p/anything")
    assert answer.status_code == 500
    check(answer, "500")


@pytest.mark.parametrize("redirect", [False, True])
def test_a_foreign_host_is_refused_and_the_refusal_carries_the_policy(
    settings: Settings, redirect: bool
) -> None:
    settings.SECURE_SSL_REDIRECT = redirect
    answer = Client().get("/sign-in/", headers={"host": "evil.example"})
    assert answer.status_code == 400
    assert "default-src 'none'" in answer["Content-Security-Policy"]
    assert "evil.example" not in answer.content.decode()


@pytest.mark.parametrize(
    "goal",
    ["https://evil.example/", "//evil.example", "/\\evil.example", "javascript:alert(1)",
     "\t//evil.example", "///evil.example", "/\t/evil.example"],
)  # fmt: skip
def test_signing_in_leads_nowhere_else(administrator: ConsoleUser, goal: str) -> None:
    form = {"username": administrator.username, "password": PASSWORD, "next": goal}
    answer = Client().post("/sign-in/", form)
    assert (answer.status_code, answer["Location"]) == (302, "/")
    htmx = {"HX-Request": "true", "HX-Current-URL": f"https://console.example{goal}"}
    assert not Client().get("/people/", headers=htmx)["HX-Redirect"].startswith("//")


def test_a_forged_address_neither_locks_anybody_out_nor_helps_to_guess(
    administrator: ConsoleUser,
) -> None:
    """Attempts are counted by the address of the connection, whatever a header says."""
    for attempt in range(6):
        answer = Client().post(
            "/sign-in/",
            {"username": administrator.username, "password": "wrong"},
            headers={"X-Forwarded-For": f"10.0.0.{attempt}", "X-Real-IP": f"10.0.0.{attempt}"},
        )
    assert answer.status_code == 429
    form = {"username": administrator.username, "password": PASSWORD}
    forged = Client().post("/sign-in/", form, headers={"X-Forwarded-For": "10.9.9.9"})
    assert forged.status_code == 429
    assert Client(REMOTE_ADDR="10.9.9.9").post("/sign-in/", form).status_code == 302


def test_pages_with_secrets_are_kept_by_no_cache(as_administrator: Client) -> None:
    furnished = furnish()
    account = furnished.rows["accounts"]
    form = {"format": "linphone", "hours": "24", "with_secret": "on"}
    for address in (f"/accounts/{account}/links/new/", f"/accounts/{account}/document/",
                    "/accounts/export/"):  # fmt: skip
        answer = as_administrator.post(address, form)
        assert "no-store" in answer.get("Cache-Control", ""), (address, answer.status_code)
    assert "no-store" in Client().get("/p/anything")["Cache-Control"]
    assert "no-store" in Client().get("/sign-in/")["Cache-Control"]


def test_https_turns_on_all_that_protects_cookies(tmp_path: Path) -> None:
    wanted = (
        "SESSION_COOKIE_SECURE", "CSRF_COOKIE_SECURE", "SESSION_COOKIE_NAME", "CSRF_COOKIE_NAME",
        "SESSION_COOKIE_HTTPONLY", "CSRF_COOKIE_HTTPONLY", "SESSION_COOKIE_SAMESITE",
        "CSRF_COOKIE_SAMESITE", "SESSION_COOKIE_DOMAIN", "SESSION_COOKIE_PATH",
        "SECURE_HSTS_SECONDS", "SECURE_SSL_REDIRECT", "DEBUG", "ALLOWED_HOSTS",
    )  # fmt: skip
    code = (
        "import json; from django.conf import settings; "
        f"print(json.dumps([getattr(settings, n) for n in {wanted!r}]))"
    )
    environment = {
        "PATH": os.environ["PATH"], "DJANGO_SETTINGS_MODULE": "rtcadmin.settings",
        "RTCADMIN_PUBLIC_URL": "https://console.example", "RTCADMIN_DATA": str(tmp_path / "data"),
    }  # fmt: skip
    found = subprocess.run(  # noqa: S603
        [sys.executable, "-c", code], env=environment, capture_output=True, check=True, text=True
    )
    values = dict(zip(wanted, json.loads(found.stdout), strict=True))
    assert values == {
        "SESSION_COOKIE_SECURE": True, "CSRF_COOKIE_SECURE": True,
        "SESSION_COOKIE_NAME": "__Host-session", "CSRF_COOKIE_NAME": "__Host-csrf",
        "SESSION_COOKIE_HTTPONLY": True, "CSRF_COOKIE_HTTPONLY": True,
        "SESSION_COOKIE_SAMESITE": "Lax", "CSRF_COOKIE_SAMESITE": "Lax",
        "SESSION_COOKIE_DOMAIN": None, "SESSION_COOKIE_PATH": "/",
        "SECURE_HSTS_SECONDS": 31_536_000, "SECURE_SSL_REDIRECT": True, "DEBUG": False,
        "ALLOWED_HOSTS": ["127.0.0.1", "localhost"],
    }  # fmt: skip
    assert (tmp_path / "data").stat().st_mode & 0o777 == 0o700
