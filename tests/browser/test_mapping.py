"""The attribute map in the browser: somebody is found and expressions are tried by keyboard."""

from __future__ import annotations

from selenium.webdriver.common.keys import Keys

from lab.slapd import Slapd
from provisioning.models import DirectorySource
from tests.browser.console import NARROW, Console
from tests.lab.fixtures import authority, people, slapd
from tests.sources import saved_source

__all__ = ["authority", "people", "slapd"]


def test_an_expression_is_tried_on_somebody_as_it_is_typed_and_nothing_is_kept(
    signed_in: Console, slapd: Slapd
) -> None:
    source = saved_source(slapd)
    signed_in.open(f"/sources/{source.pk}/edit/")
    signed_in.find("[name=sample_for]").send_keys("müller", Keys.ENTER)
    signed_in.find(".rt-raw dt")
    assert signed_in.path == f"/sources/{source.pk}/edit/", "Enter looks for somebody, no more"
    title = signed_in.find("[name=mapping-title]")
    title.clear()
    title.send_keys("upper('{sn}!')")
    signed_in.wait_for_text("MÜLLER!")
    title.send_keys(")")
    signed_in.find("#result-mapping-title mark")
    assert title == signed_in.browser.switch_to.active_element, "the focus stays while one types"
    assert signed_in.violations() == []
    signed_in.resize(NARROW)
    assert signed_in.overflow() == []
    assert DirectorySource.objects.get().mapping["title"] == "title"
