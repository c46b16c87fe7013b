"""Signing in, and the first start."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from provisioning.models import ConsoleUser
from provisioning.services.console import setup
from tests.browser.console import Console
from tests.conftest import PASSWORD


def test_a_console_user_signs_in_where_they_wanted_to_go_and_out_again(
    console: Console, administrator: ConsoleUser
) -> None:
    console.open("/audit/")
    assert console.path == "/sign-in/?next=/audit/"
    console.find("#id_username").send_keys(administrator.username)
    console.find("#id_password").send_keys(PASSWORD, "\n")
    console.wait(lambda: console.path == "/audit/", "the page that was asked for")
    console.find("summary.rt-user").click()
    console.button("Sign out").click()
    console.wait(lambda: console.path.startswith("/sign-in/"), "signed out")
    console.open("/audit/")
    assert console.path == "/sign-in/?next=/audit/"


def test_the_token_of_the_first_start_makes_the_first_console_user(
    console: Console, settings: Any, tmp_path: Path
) -> None:
    settings.DATA = tmp_path
    console.open("/")
    assert console.path == "/setup/"
    assert console.violations() == []
    values = {
        "token": setup.token(), "username": "ada", "name": "Ada Admin", "password": PASSWORD,
        "repeated": PASSWORD,
    }  # fmt: skip
    for name, value in values.items():
        control = console.find(f"#id_{name}")
        control.clear()
        control.send_keys(value)
    console.button("Create and sign in").click()
    console.wait(lambda: console.path == "/", "the overview")
    console.wait_for_text("Ada Admin")
    assert ConsoleUser.objects.get().username == "ada"
