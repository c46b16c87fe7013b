"""Whose word counts on the address and the scheme of a request."""

from __future__ import annotations

import os
import subprocess
import sys
from ipaddress import ip_network
from pathlib import Path

import pytest
from axes.models import AccessAttempt
from django.http import HttpRequest, HttpResponse
from django.test import Client, RequestFactory
from pytest_django import Settings

from provisioning.models import AuditEvent, ConsoleUser
from provisioning.web.proxies import TrustedProxies
from tests.conftest import PASSWORD

PROXY = "10.0.0.5"


@pytest.fixture(autouse=True)
def proxies(settings: Settings) -> None:
    settings.TRUSTED_PROXIES = [ip_network(each) for each in (PROXY, "10.1.0.0/16", "fd00::/64")]
    settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")


def through(peer: str, **headers: str) -> HttpRequest:
    """The request as the console sees it."""
    seen: list[HttpRequest] = []

    def view(request: HttpRequest) -> HttpResponse:
        seen.append(request)
        return HttpResponse()

    TrustedProxies(view)(RequestFactory().get("/", REMOTE_ADDR=peer, headers=headers))
    return seen[0]


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        (PROXY, "203.0.113.7", "203.0.113.7"),
        (PROXY, "198.51.100.1, 203.0.113.7", "203.0.113.7"),
        (PROXY, "198.51.100.1,203.0.113.7, 10.1.2.3", "203.0.113.7"),
        (PROXY, "198.51.100.1, nonsense, 10.1.2.3", "10.1.2.3"),
        (PROXY, "10.1.9.9, 10.1.2.3", "10.1.9.9"),
        (PROXY, "203.0.113.7:51000", "203.0.113.7"),
        (PROXY, "[2001:db8::7]:51000", "2001:db8::7"),
        (PROXY, "2001:db8::7, fd00::1", "2001:db8::7"),
        (PROXY, "", PROXY),
        (PROXY, "unknown", PROXY),
        (f"::ffff:{PROXY}", "203.0.113.7", "203.0.113.7"),
        ("192.0.2.1", "203.0.113.7", "192.0.2.1"),
        ("10.0.0.6", PROXY, "10.0.0.6"),
        ("", "203.0.113.7", ""),
    ],
)
def test_the_client_is_the_right_most_address_that_is_no_trusted_proxy(
    peer: str, forwarded: str, client: str
) -> None:
    request = through(peer, **{"X-Forwarded-For": forwarded})
    assert request.META["REMOTE_ADDR"] == client
    assert "X-Forwarded-For" not in request.headers


@pytest.mark.parametrize(("peer", "secure"), [(PROXY, True), ("192.0.2.1", False)])
def test_only_a_trusted_proxy_says_that_a_request_came_over_tls(peer: str, secure: bool) -> None:
    assert through(peer, **{"X-Forwarded-Proto": "https"}).is_secure() is secure


@pytest.mark.django_db
def test_attempts_and_audit_events_carry_the_address_of_the_client(
    administrator: ConsoleUser,
) -> None:
    form = {"username": administrator.username, "password": "wrong"}
    proxy = Client(REMOTE_ADDR=PROXY)
    for _ in range(5):
        locked = proxy.post("/sign-in/", form, headers={"X-Forwarded-For": "203.0.113.7"})
    assert locked.status_code == 429
    assert AccessAttempt.objects.get().ip_address == "203.0.113.7"
    other = {"X-Forwarded-For": "203.0.113.7, 203.0.113.8"}
    assert proxy.post("/sign-in/", {**form, "password": PASSWORD}, headers=other).status_code == 302
    assert AuditEvent.objects.get(action="signed in").detail == {"address": "203.0.113.8"}


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"RTCADMIN_PROXY_SSL_HEADER": "HTTP_X_FORWARDED_PROTO"}, "RTCADMIN_TRUSTED_PROXIES"),
        ({"RTCADMIN_TRUSTED_PROXIES": "proxy.example.com"}, "addresses or networks"),
        ({"RTCADMIN_TRUSTED_PROXIES": "10.0.0.1/8"}, "host bits"),
    ],
)
def test_settings_that_would_trust_everybody_or_nobody_stop_the_start(
    tmp_path: Path, given: dict[str, str], words: str
) -> None:
    environment = {"PATH": os.environ["PATH"], "RTCADMIN_DATA": str(tmp_path), **given}
    code = "import rtcadmin.settings"
    found = subprocess.run(  # noqa: S603
        [sys.executable, "-c", code], env=environment, capture_output=True, check=False, text=True
    )
    assert found.returncode != 0
    assert words in found.stderr.splitlines()[-1]
