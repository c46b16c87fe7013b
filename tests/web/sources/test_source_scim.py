"""A SCIM source in the browser: added, its client connected, its map tried out."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.test import Client

from provisioning.models import AuditEvent, DirectorySource, ScimToken
from provisioning.services.actor import COMMAND_LINE
from provisioning.services.scim.scim_tokens import create_token
from tests.api.scim.client import ScimClient, scim_client, scim_source
from tests.factories import make_source

pytestmark = pytest.mark.django_db


def fields_of(page: str) -> dict[str, str]:
    """The values of the inputs of the source's form."""
    form = page[page.index('id="source-form"') :]
    found = {}
    for tag in re.findall(r"<input[^>]*>", form):
        name, value = re.search(r'name="([^"]+)"', tag), re.search(r'value="([^"]*)"', tag)
        if name and name[1] not in ("csrfmiddlewaretoken", "sample_for"):
            found[name[1]] = (value[1] if value else "").replace("&#x27;", "'")
    return found


def test_a_source_is_added_with_a_name_and_leads_to_its_client(as_administrator: Client) -> None:
    assert "SCIM" in as_administrator.get("/sources/new/").content.decode()
    page = as_administrator.get("/sources/new/?kind=scim").content.decode()
    assert "Connect the client" in page
    assert "bases of people" not in page.lower()
    sent = fields_of(page) | {"name": "Entra ID", "enabled": "on", "interval_seconds": "60"}
    answer = as_administrator.post("/sources/new/", sent)
    source = DirectorySource.objects.get()
    assert answer["Location"] == f"/sources/{source.pk}/"
    assert (source.kind, source.mode, source.key_attribute) == ("scim", "scim", "id")
    assert source.mapping["mail"] == "first(emails.work, emails)"
    shown = as_administrator.get(f"/sources/{source.pk}/").content.decode()
    assert f"/scim/v2/{source.pk}" in shown
    assert "Entra ID" in shown
    assert "Okta" in shown
    assert "Console sign-in" not in shown
    assert "Addresses" not in shown


def test_a_token_is_shown_once_and_works(as_administrator: Client) -> None:
    source = scim_source()
    answer = as_administrator.post(
        f"/sources/{source.pk}/scim/tokens/", {"name": "Entra ID", "days": "365"}
    )
    page = answer.content.decode()
    found = re.search(r"rtcscim-[0-9a-f]{12}-[\w-]{43}", page)
    assert found is not None
    assert answer["Cache-Control"] == "no-store"
    assert ScimClient(source, found[0]).get("/Users").status == 200
    again = as_administrator.get(f"/sources/{source.pk}/").content.decode()
    assert found[0] not in again
    assert "last used" in again
    token = ScimToken.objects.get()
    as_administrator.post(f"/sources/{source.pk}/scim/tokens/{token.pk}/revoke/")
    assert ScimClient(source, found[0]).get("/Users").status == 401
    events = AuditEvent.objects.filter(action__contains="token").order_by("id")
    said = list(events.values_list("action", flat=True))
    assert said == ["created a SCIM token for", "revoked a SCIM token of"]


def test_a_token_without_a_name_is_not_made(as_administrator: Client) -> None:
    source = scim_source()
    answer = as_administrator.post(f"/sources/{source.pk}/scim/tokens/", {"name": "", "days": "1"})
    assert answer.status_code == 422
    assert not ScimToken.objects.exists()


@pytest.mark.parametrize("role", ["as_helpdesk", "as_viewer"])
def test_others_see_the_client_and_make_no_token(role: str, request: pytest.FixtureRequest) -> None:
    source = scim_source()
    token = create_token(source=source, name="Okta", actor=COMMAND_LINE).token
    browser: Client = request.getfixturevalue(role)
    page = browser.get(f"/sources/{source.pk}/").content.decode()
    assert "Tenant URL" in page
    assert "Make a token" not in page
    post: Any = browser.post
    assert post(f"/sources/{source.pk}/scim/tokens/", {"name": "x"}).status_code == 403
    assert post(f"/sources/{source.pk}/scim/tokens/{token.pk}/revoke/").status_code == 403
    token.refresh_from_db()
    assert token.revoked_at is None


def test_a_token_is_revoked_only_at_its_own_source(as_administrator: Client) -> None:
    other = scim_source("Okta")
    token = create_token(source=other, name="Okta", actor=COMMAND_LINE).token
    address = f"/sources/{make_source().pk}/scim/tokens/{token.pk}/revoke/"
    assert as_administrator.post(address).status_code == 404


def test_the_map_is_tried_on_a_user_that_was_sent(as_administrator: Client) -> None:
    scim = scim_client()
    scim.user("adele@example.com", displayName="Adele Vance", emails=["adele@corp.example"])
    page = as_administrator.get(f"/sources/{scim.source.pk}/edit/").content.decode()
    assert "Attribute map" in page
    assert "Connection test" not in page
    sent = fields_of(page) | {"name": "Entra ID", "interval_seconds": "60"}
    answer = as_administrator.post(
        f"/sources/{scim.source.pk}/sample/", sent | {"sample": "find", "sample_for": "corp.exam"}
    ).content.decode()
    assert "adele@corp.example" in answer
    assert "Adele Vance" in answer
    attributes = as_administrator.post(
        f"/sources/{scim.source.pk}/attributes/", sent | {"attribute_q": "emails"}
    ).content.decode()
    assert "adele@corp.example" in attributes
    saved = as_administrator.post(
        f"/sources/{scim.source.pk}/edit/", sent | {"name": "Entra", "enabled": "on"}
    )
    assert saved.status_code == 302
    assert DirectorySource.objects.get().name == "Entra"


def test_the_schedule_offers_what_the_client_wrote(as_administrator: Client) -> None:
    page = as_administrator.get(f"/sources/{scim_source().pk}/schedule/").content.decode()
    assert "What the SCIM client wrote" in page
    assert "DirSync (Active Directory)" not in page
