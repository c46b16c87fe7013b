"""Adding a source in steps, and trying out what its form holds."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from lab.authority import Authority
from lab.slapd import Slapd
from lab.slapd_entries import SUFFIX
from provisioning.directory.kerberos import KEYTAB
from provisioning.models import DirectorySource, Run
from provisioning.web.forms.sources import new_source
from tests.sources import saved_source, slapd_source, source_form

pytestmark = pytest.mark.django_db


def typed(slapd: Slapd, **values: Any) -> dict[str, Any]:
    return {**source_form(slapd_source(slapd), secret=slapd.bind_password), **values}


def text_of(client: Client, address: str, sent: dict[str, Any]) -> str:
    response = client.post(f"/sources/{address}/", sent)
    assert response.status_code == 200
    return response.content.decode()


def test_the_first_step_asks_for_the_kind(as_administrator: Client) -> None:
    page = as_administrator.get("/sources/new/").content.decode()
    for kind in DirectorySource.Kind.values:
        assert f'href="?kind={kind}"' in page


def test_every_step_of_the_wizard_is_in_one_form_with_the_presets(as_administrator: Client) -> None:
    page = as_administrator.get("/sources/new/?kind=active_directory").content.decode()
    assert page.count("data-wizard-step>") == 5
    assert 'name="mapping-login" value="sAMAccountName"' in page
    assert "isCriticalSystemObject" in page


def test_the_wizard_ends_with_a_preview_that_changes_nothing(
    as_administrator: Client, slapd: Slapd
) -> None:
    response = as_administrator.post("/sources/new/", typed(slapd, then="preview"))
    run = Run.objects.get()
    assert response["Location"] == f"/changes/{run.pk}/"
    assert run.dry
    assert DirectorySource.objects.get().bind_secret() == slapd.bind_password


def test_the_address_is_looked_at_without_signing_in(
    as_administrator: Client, slapd: Slapd
) -> None:
    page = text_of(as_administrator, "look", typed(slapd, secret="", bind_dn=""))
    assert "Issuer: CN=rtcadmin lab CA" in page
    assert "Sign-in" not in page
    page = text_of(
        as_administrator, "look", typed(slapd, uris=f"{slapd.tls_uri}\nldaps://127.0.0.1:1")
    )
    assert "nobody listens there" in page


def test_the_directory_says_which_bases_it_has(as_administrator: Client, slapd: Slapd) -> None:
    page = text_of(as_administrator, "guess", typed(slapd))
    assert f'<template data-fill="person_bases">{SUFFIX}</template>' in page
    assert "really" not in page
    other = text_of(as_administrator, "guess", typed(slapd, kind="active_directory"))
    assert "says that it is OpenLDAP" in other
    assert "password is wrong" in text_of(as_administrator, "guess", typed(slapd, secret="no"))


def test_a_filter_is_tried_before_the_source_is_kept(
    as_administrator: Client, slapd: Slapd
) -> None:
    page = text_of(as_administrator, "filter", typed(slapd, of="people"))
    assert "<b>60</b> match" in " ".join(page.split())
    assert "ou=People" in page
    groups = text_of(as_administrator, "filter", typed(slapd, of="groups"))
    assert "ou=Groups" in groups
    assert not DirectorySource.objects.exists()


def test_a_filter_that_cannot_be_read_is_marked_at_the_character(
    as_administrator: Client, slapd: Slapd
) -> None:
    page = text_of(as_administrator, "filter", typed(slapd, of="people", person_filter="(uid=a(b)"))
    assert "(uid=a<mark>(</mark>b)" in page
    assert "Character 7:" in page


def test_typing_asks_the_directory_only_after_a_try_that_worked(
    as_administrator: Client, slapd: Slapd
) -> None:
    slapd.stop()
    page = text_of(as_administrator, "filter", typed(slapd, of="people", typed="1"))
    assert "It can be read" in page
    page = text_of(
        as_administrator, "filter", typed(slapd, of="people", typed="1", tried_people="1")
    )
    assert "cannot be reached" in page
    # A failure takes the leave back, so that a wrong password is not tried at every letter.
    assert "tried_people" not in page


def test_attributes_are_found_by_name_and_come_with_what_people_have(
    as_administrator: Client, slapd: Slapd
) -> None:
    page = text_of(as_administrator, "attributes", typed(slapd, attribute_q="telephone"))
    assert 'data-insert="telephoneNumber"' in page
    assert "20 of 20 people have it" in page
    assert "userPassword" not in text_of(
        as_administrator, "attributes", typed(slapd, attribute_q="password")
    )


def test_remembered_attributes_are_not_shown_to_who_cannot_sign_in(
    as_administrator: Client, slapd: Slapd
) -> None:
    text_of(as_administrator, "attributes", typed(slapd))
    page = text_of(as_administrator, "attributes", typed(slapd, secret="wrong"))
    assert "password is wrong" in page
    assert "data-insert" not in page


@pytest.mark.parametrize("trial", ["look", "guess", "filter", "attributes", "sample", "test"])
def test_the_stored_secret_goes_to_no_other_place(
    as_administrator: Client, slapd: Slapd, trial: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = saved_source(slapd)
    records: list[Any] = []
    for module in ("conversation", "connection"):
        monkeypatch.setattr(
            f"provisioning.directory.{module}.require_trust",
            lambda *_: records.append("trusted"),
        )
    moved = source_form(source, uris=f"ldaps://localhost:{slapd.tls_port}", sample="find")
    response: Any = as_administrator.post(f"/sources/{source.pk}/{trial}/", moved)
    body = b"".join(response.streaming_content) if response.streaming else response.content
    assert slapd.bind_password.encode() not in body
    if trial != "look":
        assert b"no password" in body
    assert records == []


def test_a_certificate_authority_and_a_keytab_are_uploaded(as_administrator: Client) -> None:
    source = new_source("active_directory")
    source.name, source.uris = "Forest", "ldaps://127.0.0.1"
    source.person_bases = "DC=corp,DC=example"
    sent = source_form(source, bind_method="gssapi", bind_dn="svc@CORP.EXAMPLE")
    keytab = KEYTAB + b"\0\0\0\x05\xff\xfe\x00\x01\x02"
    sent |= {"secret_file": SimpleUploadedFile("svc.keytab", keytab)}  # type: ignore[dict-item]
    assert as_administrator.post("/sources/new/", sent).status_code == 302
    kept = DirectorySource.objects.get()
    assert base64.b64decode(kept.bind_secret()) == keytab
    page = as_administrator.get(f"/sources/{kept.pk}/edit/").content.decode()
    assert "A keytab is kept" in page
    assert kept.bind_secret() not in page


def test_a_client_certificate_is_uploaded_with_its_key(
    as_administrator: Client, slapd: Slapd, authority: Authority
) -> None:
    leaf = authority.leaf("rtcadmin")
    sent = typed(
        slapd, secret="", bind_method="external",
        certificate_file=SimpleUploadedFile("client.pem", leaf.certificate.read_bytes()),
        secret_file=SimpleUploadedFile("client.key", leaf.key.read_bytes()),
    )  # fmt: skip
    assert as_administrator.post("/sources/new/", sent).status_code == 302
    source = DirectorySource.objects.get()
    assert source.bind_secret() == leaf.key.read_text()
    response: Any = as_administrator.post(f"/sources/{source.pk}/test/", source_form(
        source, client_certificate=source.client_certificate))  # fmt: skip
    page = b"".join(response.streaming_content).decode()
    assert "Signed in as the client certificate" in page
    assert "Failed:" not in page


@pytest.mark.parametrize(
    ("values", "field", "said"),
    [
        ({"bind_method": "gssapi", "bind_dn": "svc"}, "bind_dn", "realms are"),
        ({"bind_method": "gssapi", "secret_file": b"hunter2"}, "secret_file", "not a keytab"),
        ({"bind_method": "external"}, "client_certificate", "Paste the client certificate"),
        ({"bind_method": "external", "secret_file": b"\xff\xfe"}, "secret_file", "neither"),
        (
            {"bind_method": "gssapi", "tls": "none", "uris": "ldap://127.0.0.1"},
            "tls",
            "needs LDAPS",
        ),
        ({"ca_file": b"\xff\xfe"}, "ca_file", "no certificate"),
        ({"ca_file": b"x" * 300_000}, "ca_file", "too large"),
        ({"read_timeout": "900"}, "read_timeout", "From 1 to 120"),
        ({"person_bases": "dc=example?all"}, "person_bases", "not a scope"),
    ],
)
def test_what_cannot_be_used_is_refused_at_its_field(
    as_administrator: Client, slapd: Slapd, values: dict[str, Any], field: str, said: str
) -> None:
    sent = typed(slapd, **{
        name: SimpleUploadedFile("file", value) if isinstance(value, bytes) else value
        for name, value in values.items()
    })  # fmt: skip
    response = as_administrator.post("/sources/new/", sent)
    assert response.status_code == 422
    assert said in str(response.context["form"][field].errors)
    assert not DirectorySource.objects.exists()


def test_another_way_of_signing_in_erases_the_stored_secret(
    as_administrator: Client, slapd: Slapd
) -> None:
    source = saved_source(slapd)
    sent = source_form(source, bind_method="gssapi", bind_dn="svc@CORP.EXAMPLE")
    response = as_administrator.post(f"/sources/{source.pk}/edit/", sent, follow=True)
    assert "saved without a keytab" in response.content.decode()
    assert DirectorySource.objects.get().sealed_bind_secret is None


def test_the_page_tells_which_server_is_in_use_and_why(as_viewer: Client, slapd: Slapd) -> None:
    source = saved_source(slapd)
    DirectorySource.objects.update(
        server_in_use=slapd.tls_uri, passed_over=["ldaps://dc1 cannot be reached: no answer."]
    )
    page = as_viewer.get(f"/sources/{source.pk}/").content.decode()
    assert f"{slapd.tls_uri} stands in." in page
    assert "no answer" in page
