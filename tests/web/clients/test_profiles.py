"""Client profiles, documents, links and exports in the browser."""

from __future__ import annotations

import io
import re
import zipfile
from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from provisioning.models import (
    Account,
    AuditEvent,
    ClientProfile,
    ConsoleUser,
    ProvisioningLink,
    SipServer,
)
from tests.factories import make_account, make_pool, make_store

pytestmark = pytest.mark.django_db


@pytest.fixture
def account(db: None) -> Account:
    """An account that a client can be set up for."""
    SipServer.objects.create(
        name="sip1", pool=make_pool(), store=make_store(), sip_host="sip1.example.com",
        rpc_url="http://127.0.0.1:1/RPC",
    )  # fmt: skip
    ClientProfile.objects.create(name="Everybody", is_default=True)
    return make_account("Meeting room 1", user_part="meeting-1")


def test_a_preview_masks_the_secret_in_every_format(account: Account, as_viewer: Client) -> None:
    profile = ClientProfile.objects.get()
    for format in ("rtc", "linphone", "baresip"):
        page = as_viewer.get(
            reverse("profile", args=[profile.pk]), {"format": format, "account": "meeting-1"}
        ).content.decode()
        assert "sip:meeting-1@voice.example.com" in page
        assert "••••••••" in page
        assert (account.credential.secret() or "none") not in page


def test_a_preview_shows_the_profile_itself_whatever_the_account_has(
    account: Account, as_viewer: Client
) -> None:
    other = ClientProfile.objects.create(name="Other", provider="Other Ltd")
    page = as_viewer.get(reverse("profile", args=[other.pk]), {"format": "rtc"}).content
    assert b"Other Ltd" in page
    assert Account.objects.get().profile is None


def test_a_preview_of_nobody_says_what_to_try(account: Account, as_viewer: Client) -> None:
    url = reverse("profile", args=[ClientProfile.objects.get().pk])
    assert b"No active account matches." in as_viewer.get(url, {"account": "zzz"}).content


def test_another_profile_becomes_the_default(account: Account, as_administrator: Client) -> None:
    other = ClientProfile.objects.create(name="Other")
    url = reverse("profile-edit", args=[other.pk])
    form = as_administrator.get(url).context["form"]
    values = {name: value for name, value in form.initial.items() if value not in (None, False)}
    response = as_administrator.post(url, {**values, "is_default": "on"})
    assert response.status_code == 302, response.context["form"].errors
    assert ClientProfile.objects.get(is_default=True) == other


def test_a_link_and_its_qr_code_are_shown_once(account: Account, as_administrator: Client) -> None:
    url = reverse("account-link-new", args=[account.pk])
    response = as_administrator.post(url, {"format": "linphone", "hours": 24})
    page = response.content.decode()
    (path,) = set(re.findall(r"/p/[A-Za-z0-9_-]{43}", page))
    assert "<svg" in page
    assert "style=" not in page
    assert response["Cache-Control"] == "no-store"
    again = as_administrator.get(reverse("account-links", args=[account.pk])).content.decode()
    assert path not in again
    assert Client().get(path).status_code == 200


def test_the_help_desk_makes_links_only_with_the_permission(
    account: Account, as_helpdesk: Client, helpdesk: ConsoleUser
) -> None:
    url = reverse("account-link-new", args=[account.pk])
    page = as_helpdesk.post(url, {"format": "linphone", "hours": 24}).content
    assert b"may not export" in page
    assert not ProvisioningLink.objects.exists()
    helpdesk.may_export_secrets = True
    helpdesk.save()
    as_helpdesk.post(url, {"format": "linphone", "hours": 24})
    assert ProvisioningLink.objects.get().created_by == helpdesk


@pytest.mark.parametrize("values", [{"format": "x", "hours": 24}, {"format": "rtc", "hours": 999}])
def test_a_link_form_offers_nothing_else(
    account: Account, as_administrator: Client, values: dict[str, object]
) -> None:
    as_administrator.post(reverse("account-link-new", args=[account.pk]), values)
    assert not ProvisioningLink.objects.exists()


def test_a_revoked_link_gives_nothing(account: Account, as_helpdesk: Client) -> None:
    link = ProvisioningLink.objects.create(
        account=account, format="rtc", token_hash="x", expires_at=account.created_at
    )
    other = make_account()
    wrong = reverse("account-link-revoke", args=[other.pk, link.pk])
    assert as_helpdesk.post(wrong).status_code == 404
    as_helpdesk.post(reverse("account-link-revoke", args=[account.pk, link.pk]))
    assert ProvisioningLink.objects.get().revoked_at is not None


@pytest.mark.parametrize(
    ("values", "offered"),
    [({}, True), ({"used_at": timezone.now()}, False), ({"revoked_at": timezone.now()}, False),
     ({"expires_at": timezone.now()}, False)],
)  # fmt: skip
def test_links_are_revoked_where_one_could_still_be_used(
    account: Account, as_helpdesk: Client, values: dict[str, object], offered: bool
) -> None:
    soon = timezone.now() + timedelta(hours=1)
    ProvisioningLink.objects.create(
        account=account, format="rtc", token_hash="x", **{"expires_at": soon, **values}
    )
    page = as_helpdesk.get(reverse("account-links", args=[account.pk]))
    assert (reverse("account-links-revoke", args=[account.pk]) in page.content.decode()) is offered


def test_a_document_is_downloaded_and_audited(account: Account, as_administrator: Client) -> None:
    url = reverse("account-document", args=[account.pk])
    response = as_administrator.post(url, {"format": "linphone", "with_secret": "on"})
    assert response["Content-Type"] == "application/xml"
    assert response["Cache-Control"] == "no-store"
    assert "meeting-1@voice.example.com" in response["Content-Disposition"]
    assert b"ha1" in response.content
    assert AuditEvent.objects.latest("id").action == "exported the client document of"


def test_a_document_of_several_files_is_a_zip(account: Account, as_administrator: Client) -> None:
    url = reverse("account-document", args=[account.pk])
    response = as_administrator.post(url, {"format": "baresip", "with_secret": "on"})
    with zipfile.ZipFile(io.BytesIO(response.content)) as archive:
        assert archive.namelist() == ["accounts", "config"]


def test_a_ticked_box_does_not_replace_the_permission(
    account: Account, as_helpdesk: Client
) -> None:
    url = reverse("account-document", args=[account.pk])
    response = as_helpdesk.post(url, {"format": "linphone", "with_secret": "on"})
    assert b"ha1" not in response.content
    export = as_helpdesk.post(
        reverse("accounts-export"), {"format": "linphone", "with_secret": "on"}
    )
    content = b"".join(export)
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert not any(b"ha1" in archive.read(name) for name in archive.namelist())


def test_the_export_says_how_many_and_streams_them(
    account: Account, as_administrator: Client
) -> None:
    make_account(state="blocked")
    url = reverse("accounts-export") + "?kind=room"
    page = as_administrator.get(url).content.decode()
    assert "2 accounts" in page
    assert "1 of them active" in page
    response = as_administrator.post(url, {"format": "rtc"})
    assert response.streaming
    with zipfile.ZipFile(io.BytesIO(b"".join(response))) as archive:
        assert len(archive.namelist()) == 2


def test_the_export_respects_the_filter_and_refuses_an_unknown_one(
    account: Account, as_administrator: Client
) -> None:
    page = as_administrator.get(reverse("accounts-export") + "?state=blocked").content
    assert b"No account matches." in page
    assert as_administrator.get(reverse("accounts-export") + "?nonsense=1").status_code == 400


def test_an_export_without_the_needed_secret_is_refused_in_the_form(
    account: Account, as_administrator: Client
) -> None:
    response = as_administrator.post(reverse("accounts-export"), {"format": "baresip"})
    assert response.status_code == 422
    assert b"of no use without the password" in response.content


def test_a_server_that_is_down_is_not_a_list_of_nobody(account: Account, as_viewer: Client) -> None:
    page = as_viewer.get(reverse("account-registrations", args=[account.pk])).content
    assert b"The live list is not available." in page
    assert b"Nobody is registered" not in page
