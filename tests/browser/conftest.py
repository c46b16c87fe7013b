"""One browser for each test process, a live console, and somebody signed in without a form."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.conf import settings
from django.test import Client
from selenium.webdriver import Chrome, ChromeOptions, ChromeService

from provisioning.models import ConsoleUser
from tests.browser.console import WIDE, Console

FLAGS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--disable-dev-shm-usage", "--force-prefers-reduced-motion",
)  # fmt: skip


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Every test of this folder drives a browser."""
    for item in items:
        if "tests/browser/" in item.path.as_posix():
            item.add_marker(pytest.mark.browser)


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chrome]:
    """Debian's Chromium, started once, with a profile of its own."""
    options = ChromeOptions()
    options.binary_location = "/usr/bin/chromium"
    profile = tmp_path_factory.mktemp("chromium")
    for flag in (*FLAGS, f"--user-data-dir={profile}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    chromium = Chrome(options, ChromeService("/usr/bin/chromedriver"))
    # For axe on a busy machine.
    chromium.set_script_timeout(120)
    yield chromium
    chromium.quit()


@pytest.fixture
def console(browser: Chrome, live_server: Any) -> Iterator[Console]:
    """The console with nobody signed in; a test fails when the browser had complaints."""
    tab = Console(browser, live_server.url)
    tab.resize(WIDE)
    browser.get("about:blank")
    browser.delete_all_cookies()
    tab.complaints()
    yield tab
    complaints = tab.complaints()
    # Polling must end before the data goes.
    browser.get("about:blank")
    assert complaints == []


@pytest.fixture
def signed_in(console: Console, administrator: ConsoleUser) -> Console:
    """The console with an administrator signed in."""
    client = Client()
    client.force_login(administrator, backend="django.contrib.auth.backends.ModelBackend")
    name = settings.SESSION_COOKIE_NAME
    console.sign_in(name, client.cookies[name].value)
    return console
