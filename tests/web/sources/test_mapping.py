"""The attribute map while it is edited."""

from __future__ import annotations

import re

import pytest
from django.test import Client

from lab.slapd import Slapd
from provisioning.models import DirectorySource
from tests.sources import saved_source, slapd_source, source_form

pytestmark = pytest.mark.django_db
HTMX = {"HX-Request": "true"}


def result(page: str, field: str) -> str:
    """The text below one expression."""
    found = re.search(rf'id="result-{field}"[^>]*>(.*?)\n  </div>', page, re.DOTALL)
    assert found is not None
    return " ".join(re.sub("<[^>]+>", " ", found[1]).split())


def test_finding_somebody_shows_the_entry_and_every_result(
    as_administrator: Client, slapd: Slapd
) -> None:
    sent = source_form(slapd_source(slapd), secret=slapd.bind_password)
    sent |= {"sample": "find", "sample_for": "müller", "mapping-title": "upper(title)"}
    page = as_administrator.post("/sources/sample/", sent, headers=HTMX).content.decode()
    assert "Müller" in result(page, "mapping-display_name")
    assert "displayName is taken" in result(page, "mapping-display_name")
    assert result(page, "mapping-title").isupper()
    assert result(page, "disabled").startswith("no")
    assert ">objectClass<" in page
    assert not DirectorySource.objects.exists()


def test_next_leafs_on_and_typing_stays_with_the_entry(
    as_administrator: Client, slapd: Slapd
) -> None:
    source = saved_source(slapd)
    url, sent = f"/sources/{source.pk}/sample/", source_form(source)

    def ask(**more: str) -> tuple[str, dict[str, str]]:
        page = as_administrator.post(url, {**sent, **more}, headers=HTMX).content.decode()
        kept = dict(re.findall(r'name="(sample_\w+)" value="([^"]*)"', page))
        return page, kept

    _, first = ask(sample="find")
    _, second = ask(sample="next", **first)
    assert second["sample_place"] == "1"
    assert second["sample_dn"] != first["sample_dn"]
    page, still = ask(**second, **{"mapping-custom": "'{uid}!'"})
    assert still == second
    assert result(page, "mapping-custom").endswith("!")
    _, again = ask(sample="find", **second)
    assert again == first


def test_a_mistake_is_marked_at_its_place_without_asking_the_directory(
    as_administrator: Client,
) -> None:
    sent = {"kind": "openldap", "mapping-mail": "lower(uper(mail))", "uris": ""}
    page = as_administrator.post("/sources/sample/", sent, headers=HTMX).content.decode()
    assert "lower(<mark>uper(mail))</mark>" in page
    assert "There is no function “uper”" in result(page, "mapping-mail")


def test_a_directory_that_cannot_be_asked_keeps_the_chosen_entry(
    as_administrator: Client, slapd: Slapd
) -> None:
    sent = source_form(slapd_source(slapd), secret="wrong")
    sent |= {"sample_dn": "uid=x,ou=people", "sample_place": "3", "mapping-mail": "lower("}
    page = as_administrator.post("/sources/sample/", sent, headers=HTMX).content.decode()
    assert "bind DN or its password is wrong" in page
    assert 'value="uid=x,ou=people"' in page
    assert "cannot be read" in result(page, "mapping-mail")


def test_values_of_the_directory_are_shown_as_text(as_administrator: Client, slapd: Slapd) -> None:
    source = saved_source(slapd)
    sent = source_form(source) | {"sample": "find", "mapping-custom": "'<b>{uid}</b>'"}
    page = as_administrator.post(f"/sources/{source.pk}/sample/", sent, headers=HTMX)
    assert "&lt;b&gt;" in page.content.decode()
    assert "<b>" not in page.content.decode()


def test_every_field_of_the_map_is_kept_by_the_form(as_administrator: Client, slapd: Slapd) -> None:
    source = saved_source(slapd)
    sent = source_form(source) | {
        "mapping-kind": "'room'", "mapping-disabled_room": "''", "mapping-extension": "pager",
        "mapping-locked_out": "pwdAccountLockedTime", "photo_attribute": "jpegPhoto",
    }  # fmt: skip
    response = as_administrator.post(f"/sources/{source.pk}/edit/", sent)
    assert response.status_code == 302
    kept = DirectorySource.objects.get()
    assert kept.photo_attribute == "jpegPhoto"
    assert kept.mapping["disabled_room"] == "''"
    assert kept.mapping["locked_out"] == "pwdAccountLockedTime"
    page = as_administrator.get(f"/sources/{source.pk}/edit/").content.decode()
    assert 'id="result-mapping-extension"' in page
