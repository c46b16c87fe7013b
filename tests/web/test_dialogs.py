"""Dialogs: what is refused comes back in them; a form that arrives twice does its work once."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from provisioning.core.errors import InvalidInput
from provisioning.core.states import State
from provisioning.models import Account, AuditEvent, ConsoleUser, Credential, Number, SentForm
from provisioning.services.console.once import Done, do_once
from tests.factories import make_account, make_domain, make_person, make_pool, make_site
from tests.web.pages import text_of

pytestmark = [pytest.mark.django_db, pytest.mark.database]
HTMX = {"HX-Request": "true"}


def dialog_of(response: Any, name: str) -> str:
    """The markup of one dialog of a page."""
    page = response.content.decode()
    found = re.search(rf'<dialog class="rt-dialog"\s+id="{name}".*?</dialog>', page, re.DOTALL)
    assert found is not None
    return found[0]


def a_leaver() -> Account:
    person = make_person(left_at=timezone.now())
    return make_account(person=person, state=State.GRACE)


@pytest.mark.parametrize(
    ("action", "dialog", "sent", "field", "because"),
    [
        ("assign", "number", {"number": "seven"}, "number", "is not a telephone number"),
        ("assign", "number", {"number": "+442079460001"}, "number", "belongs to"),
        ("block", "block", {"reason": ""}, "reason", "This field is required."),
        ("rename", "rename", {"user_part": "a b", "reason": "Typed wrong"}, "user_part", "a b"),
        ("restore", "restore", {"reason": "Back", "ends_on": "2001-02-03"}, "ends_on", "passed"),
        ("remove", "remove", {"reason": ""}, "reason", "This field is required."),
    ],
)
def test_what_is_refused_comes_back_in_its_dialog_with_what_was_typed(
    as_administrator: Client, action: str, dialog: str, sent: dict[str, str], field: str,
    because: str,
) -> None:  # fmt: skip
    Number.objects.create(
        e164="+442079460001", account=make_account("Owner"), state="assigned",
        changed_at=timezone.now(),
    )  # fmt: skip
    account = a_leaver() if action == "restore" else make_account(site=make_site())
    response = as_administrator.post(reverse(f"account-{action}", args=[account.pk]), sent)
    assert response.status_code == 422
    shown = dialog_of(response, dialog)
    assert "open data-refused" in shown
    assert because in shown
    for value in filter(None, sent.values()):
        assert f'value="{value}"' in shown
    assert not AuditEvent.objects.exists()
    assert Account.objects.get(pk=account.pk).version == account.version


def test_an_error_stands_at_the_field_that_it_is_about(as_helpdesk: Client) -> None:
    account = make_account()
    response = as_helpdesk.post(reverse("account-assign", args=[account.pk]), {"number": "seven"})
    assert 'aria-invalid="true"' in dialog_of(response, "number")
    assert list(response.context["dialogs"]["number"].errors) == ["number"]


def test_htmx_leaves_the_page_only_when_it_worked(as_helpdesk: Client) -> None:
    account = make_account()
    address = reverse("account-block", args=[account.pk])
    assert as_helpdesk.post(address, {"reason": ""}, headers=HTMX).status_code == 422
    response = as_helpdesk.post(address, {"reason": "Lost phone"}, headers=HTMX)
    assert response["HX-Redirect"] == reverse("account", args=[account.pk])
    assert "is blocked" in text_of(as_helpdesk.get(response["HX-Redirect"]))


@pytest.mark.parametrize(
    ("action", "sent"),
    [("give", {"aor": "nobody@voice.example.com"}), ("give", {"aor": ""}), ("state", {})],
)
def test_the_dialogs_of_a_number_keep_what_was_refused(
    as_helpdesk: Client, action: str, sent: dict[str, str]
) -> None:
    number = Number.objects.create(e164="+442079460001", state="free", changed_at=timezone.now())
    response = as_helpdesk.post(reverse(f"number-{action}", args=[number.pk]), sent)
    assert response.status_code == 422
    shown = dialog_of(response, action)
    assert "open data-refused" in shown
    assert all(value in shown for value in sent.values())


def test_a_credential_is_renewed_once_by_a_form_that_arrives_twice(as_helpdesk: Client) -> None:
    account = make_account()
    before = Credential.objects.get(account=account).version
    for _ in range(2):
        page = as_helpdesk.post(
            reverse("account-rotate", args=[account.pk]), {"once": "abc"}, follow=True
        )
        assert "has a new credential" in text_of(page)
        assert "That did not work" not in text_of(page)
    assert Credential.objects.get(account=account).version == before + 1


def test_a_room_is_made_once_and_both_answers_lead_to_it(as_helpdesk: Client) -> None:
    sent = {
        "kind": "room", "name": "Aquarium", "user_part": "room-aquarium",
        "domain": make_domain().pk, "pool": make_pool().pk, "once": "abc",
    }  # fmt: skip
    first, second = (as_helpdesk.post(reverse("account-new"), sent) for _ in range(2))
    account = Account.objects.get()
    assert first["Location"] == second["Location"] == reverse("account", args=[account.pk])


def test_what_was_refused_may_be_sent_again(as_helpdesk: Client) -> None:
    account = make_account()
    address = reverse("account-assign", args=[account.pk])
    assert as_helpdesk.post(address, {"number": "seven", "once": "abc"}).status_code == 422
    sent = {"number": "+442079460001", "once": "abc"}
    assert as_helpdesk.post(address, sent).status_code == 302
    assert Number.objects.get().account == account


def test_another_console_user_with_the_same_key_is_another_form(
    helpdesk: ConsoleUser, viewer: ConsoleUser
) -> None:
    calls: list[str] = []

    def act() -> Done:
        calls.append("done")
        return Done("/", "Done.")

    for user in (helpdesk, helpdesk, viewer):
        assert do_once(key="abc", user=user, act=act) == Done("/", "Done.")
    assert len(calls) == 2


def test_what_failed_is_not_remembered(helpdesk: ConsoleUser) -> None:
    def act() -> Done:
        raise InvalidInput("No.")

    with pytest.raises(InvalidInput):
        do_once(key="abc", user=helpdesk, act=act)
    assert not SentForm.objects.exists()


def test_what_somebody_else_did_meanwhile_is_said_in_the_dialog(as_helpdesk: Client) -> None:
    blocked = make_account(state=State.BLOCKED, blocked=True)
    for action, sent in (
        ("block", {"reason": "Lost"}),
        ("release", {}),
        ("restore", {"reason": "x"}),
    ):
        response = as_helpdesk.post(reverse(f"account-{action}", args=[blocked.pk]), sent)
        assert response.status_code == 422
        assert "open data-refused" in dialog_of(response, action)
    removed = make_account("Gone", state=State.REMOVED)
    response = as_helpdesk.post(
        reverse("account-assign", args=[removed.pk]), {"number": "+442079460009"}
    )
    assert "The account was removed." in dialog_of(response, "number")
    number = Number.objects.create(e164="+442079460001", state="free", changed_at=timezone.now())
    response = as_helpdesk.post(reverse("number-release", args=[number.pk]))
    assert response.status_code == 422
    assert "open data-refused" in dialog_of(response, "release")
