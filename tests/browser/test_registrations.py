"""Live registrations in a real browser: how many end is said before they do."""

from __future__ import annotations

from provisioning.models import ConsoleUser, RegisteredContact
from tests.browser.console import Console
from tests.browser.scene import make_company


def test_before_registrations_end_the_dialog_says_how_many(
    signed_in: Console, administrator: ConsoleUser
) -> None:
    make_company(administrator)
    signed_in.open("/registrations/")
    signed_in.find("[data-select-page]").click()
    assert not signed_in.all("[data-select-all]")[0].is_displayed(), "all of them are on the page"
    signed_in.button("End registration", within="[data-selection-bar]").click()
    asked = signed_in.find("#confirm p").text
    assert asked.startswith(f"Chosen: {RegisteredContact.objects.count()}. Calls to these clients")
    signed_in.button("Cancel", within="#confirm").click()
    signed_in.find("input[name=pk]").click()
    signed_in.button("End registration", within="[data-selection-bar]").click()
    assert signed_in.find("#confirm p").text.startswith("Chosen: 8. ")
