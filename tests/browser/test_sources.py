"""Adding a directory in the browser, step by step, up to its first preview."""

from __future__ import annotations

from typing import Any

import pytest

from lab.slapd import Slapd
from lab.slapd_entries import BIND_DN, SUFFIX
from provisioning.models import DirectorySource, Run
from tests.browser.console import NARROW, Console
from tests.lab.fixtures import authority, people, slapd
from tests.sources import saved_source

__all__ = ["authority", "people", "slapd"]

pytestmark = pytest.mark.usefixtures("transactional_db")


def looked_at(console: Console) -> list[str]:
    """What is wrong with the page as it is, light, dark and narrow."""
    found = []
    for theme in ("light", "dark"):
        console.switch_theme(theme)
        found += console.violations()
    console.resize(NARROW)
    found += console.violations() + console.overflow()
    return found


def fill(console: Console, **values: str) -> None:
    for name, value in values.items():
        field: Any = console.find(f"[name={name}]")
        field.clear()
        field.send_keys(value)


def go_on(console: Console, heading: str) -> None:
    console.button("Next").click()
    console.wait(lambda: console.browser.switch_to.active_element.text == heading, heading)


def past_address(console: Console) -> None:
    """From the first step of the wizard to the second."""
    fill(console, name="Head office", uris="ldaps://dc1.example.com")
    go_on(console, "Sign-in")


def test_a_newcomer_adds_a_directory_and_previews_it(signed_in: Console, slapd: Slapd) -> None:
    signed_in.open("/sources/new/")
    signed_in.find("a[href='?kind=openldap']").click()
    fill(signed_in, name="Head office")
    signed_in.button("Next").click()
    missing = signed_in.browser.switch_to.active_element.get_attribute("name")
    assert missing == "uris", "a step goes on only when nothing in it is missing"
    fill(signed_in, uris=slapd.tls_uri, ca_pem=slapd.ca_file.read_text())
    signed_in.button("Check the address").click()
    signed_in.wait_for_text("CN=rtcadmin lab CA")
    go_on(signed_in, "Sign-in")
    fill(signed_in, bind_dn=BIND_DN, secret=slapd.bind_password)
    signed_in.button("Sign in and look around").click()
    signed_in.wait_for_text("Signed in.")
    go_on(signed_in, "What to read")
    assert signed_in.find("[name=person_bases]").get_attribute("value") == SUFFIX
    signed_in.button("Try the filter").click()
    signed_in.wait_for_text("60 match")
    go_on(signed_in, "Test")
    signed_in.button("Test the connection").click()
    signed_in.wait_for_text("What changed can be asked for by syncrepl")
    signed_in.wait(lambda: signed_in.button("Test the connection").is_enabled(), "the end")
    go_on(signed_in, "Schedule and limits")
    signed_in.button("Save and preview a sync").click()
    signed_in.wait_for_text("This preview changes nothing.")
    assert Run.objects.get().dry
    assert DirectorySource.objects.get().person_bases == SUFFIX


def test_every_step_of_the_wizard_can_be_used_by_everybody(
    signed_in: Console, slapd: Slapd
) -> None:
    signed_in.open("/sources/new/?kind=active_directory")
    problems = looked_at(signed_in)
    past_address(signed_in)
    problems += looked_at(signed_in)
    fill(signed_in, bind_dn=BIND_DN, secret="secret")
    go_on(signed_in, "What to read")
    problems += looked_at(signed_in)
    fill(signed_in, person_bases=SUFFIX)
    for heading in ("Test", "Schedule and limits"):
        go_on(signed_in, heading)
        problems += looked_at(signed_in)
    assert problems == []


def test_only_the_fields_of_the_chosen_way_of_signing_in_are_shown(signed_in: Console) -> None:
    signed_in.open("/sources/new/?kind=active_directory")
    past_address(signed_in)
    for method, shown, hidden in (
        ("simple", {"bind_dn", "secret"}, {"secret_file", "client_certificate"}),
        ("gssapi", {"bind_dn", "secret_file"}, {"secret", "client_certificate"}),
        ("external", {"client_certificate", "secret_file"}, {"secret", "bind_dn"}),
    ):
        signed_in.find(f"[name=bind_method] option[value={method}]").click()
        names = shown | hidden
        seen = {n for n in names if signed_in.all(f"[name={n}]")[0].is_displayed()}
        assert seen == shown


def test_an_attribute_is_put_into_the_expression_that_was_edited(
    signed_in: Console, slapd: Slapd
) -> None:
    source = saved_source(slapd)
    signed_in.open(f"/sources/{source.pk}/edit/")
    signed_in.button("Try the filter").click()
    signed_in.wait_for_text("60 match")
    signed_in.find(".rt-picker summary").click()
    fill(signed_in, attribute_q="employeeN")
    signed_in.button("Look").click()
    inserted = signed_in.button("employeeNumber")
    field = signed_in.find("[name=mapping-title]")
    field.clear()
    signed_in.browser.execute_script("arguments[0].click()", inserted)
    assert field.get_attribute("value") == "employeeNumber"
    assert looked_at(signed_in) == []
