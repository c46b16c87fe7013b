"""Accounts made, blocked, restored and removed in the console."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from django.utils import timezone

from provisioning.core.errors import InvalidInput
from provisioning.core.states import State
from provisioning.models import (
    Account,
    AuditEvent,
    ConsoleUser,
    Credential,
    Number,
    PendingChange,
    Pin,
    ProvisioningLink,
)
from provisioning.services.accounts.accounts import (
    AccountChange,
    NewAccount,
    change_account,
    create_account,
    remove_account,
)
from provisioning.services.accounts.addresses import rename_account
from provisioning.services.accounts.blocks import (
    block_account,
    block_accounts,
    end_pin,
    restore_leaver,
    unblock_account,
)
from provisioning.services.accounts.credentials import rotate_credential
from provisioning.services.accounts.deadlines import keep_deadlines
from provisioning.services.actor import Actor
from tests.factories import (
    make_account,
    make_domain,
    make_person,
    make_pool,
    make_rule,
    make_site,
    make_store,
)

pytestmark = [pytest.mark.django_db, pytest.mark.database]


@pytest.fixture
def actor(administrator: ConsoleUser) -> Actor:
    return Actor.of(administrator)


def room(**values: object) -> NewAccount:
    new = NewAccount(
        kind=Account.Kind.ROOM,
        name="Room Aquarium",
        user_part="Aquarium",
        domain=make_domain(),
        pool=make_pool(),
        site=make_site(),
    )
    return replace(new, **values)  # type: ignore[arg-type]


def link_of(account: Account) -> ProvisioningLink:
    return ProvisioningLink.objects.create(
        account=account,
        format="rtc",
        token_hash=f"hash of {account.pk}",
        expires_at=timezone.now() + timedelta(days=1),
    )


def pending(kind: str = "subscriber") -> set[str]:
    return set(PendingChange.objects.filter(kind=kind).values_list("key", flat=True))


def test_a_new_room_has_its_address_credential_and_number_and_waits_for_the_push(
    actor: Actor,
) -> None:
    make_store()
    account = create_account(new=room(number="020 7946 0123"), actor=actor)
    assert account.aor == "aquarium@voice.example.com"
    assert account.number.e164 == "+442079460123"
    secret = account.credential.secret()
    assert secret is not None
    assert len(secret) >= 24
    assert account.credential.auth_user == "aquarium"
    assert pending() == {"aquarium@voice.example.com"}
    assert pending("alias") == {"+442079460123@voice.example.com"}
    kept = Account.objects.get(pk=account.pk)
    assert "+442079460123" in kept.search_key
    events = str(list(AuditEvent.objects.values_list("action", "detail")))
    assert "created" in events
    assert secret not in events


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"user_part": "two words"}, "cannot be the user part"),
        ({"name": "Room\naccount.1.password=x"}, "line break"),
        ({"name": "  "}, "needs a name"),
        ({"number": "12"}, "not a telephone number"),
        ({"kind": Account.Kind.PERSON}, "account rules"),
        ({"ends_on": timezone.localdate() - timedelta(days=1)}, "has passed"),
        ({"responsible": "x\u2028y"}, "line break"),
    ],
)
def test_a_bad_value_makes_no_account(actor: Actor, change: dict[str, object], said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        create_account(new=room(**change), actor=actor)
    assert not Account.objects.exists()
    assert not Credential.objects.exists()
    assert not AuditEvent.objects.exists()


def test_a_taken_sip_uri_names_who_has_it(actor: Actor) -> None:
    create_account(new=room(), actor=actor)
    with pytest.raises(InvalidInput, match="belongs to Room Aquarium"):
        create_account(new=room(name="Another"), actor=actor)
    assert Account.objects.count() == 1


def test_the_sip_uri_of_a_removed_account_can_be_used_again(actor: Actor) -> None:
    first = create_account(new=room(), actor=actor)
    remove_account(account=first, reason="rebuilt", actor=actor)
    second = create_account(new=room(), actor=actor)
    assert second.aor == first.aor


def test_a_block_takes_effect_at_once_and_ends_every_link(actor: Actor) -> None:
    make_store()
    account = make_account()
    link = link_of(account)
    blocked = block_account(account=account, reason="Phone stolen", actor=actor)
    assert blocked.state == State.BLOCKED
    link.refresh_from_db()
    assert link.revoked_at is not None
    assert pending() == {account.aor}
    event = AuditEvent.objects.get()
    assert (event.action, event.object_id) == ("blocked", str(account.pk))
    assert event.detail == {"reason": "Phone stolen", "state": ["Active", "Blocked"]}


def test_a_block_needs_a_reason(actor: Actor) -> None:
    account = make_account()
    with pytest.raises(InvalidInput, match="Say why"):
        block_account(account=account, reason=" ", actor=actor)
    account.refresh_from_db()
    assert account.state == State.ACTIVE


def test_unblocking_somebody_whom_the_directory_disabled_leaves_them_disabled(actor: Actor) -> None:
    make_rule()
    account = make_account(person=make_person(disabled=True))
    block_account(account=account, reason="x", actor=actor)
    assert unblock_account(account=account, actor=actor).state == State.DISABLED


def test_unblocking_somebody_whom_no_rule_matches_leads_to_grace(actor: Actor) -> None:
    make_rule(ou="ou=elsewhere,dc=example,dc=com")
    account = make_account(person=make_person())
    block_account(account=account, reason="x", actor=actor)
    unblocked = unblock_account(account=account, actor=actor)
    assert unblocked.state == State.GRACE
    assert unblocked.grace_until is not None


def test_many_accounts_are_blocked_with_one_message_to_each_store(
    actor: Actor,
    messages: list[tuple[str, tuple[int, ...]]],
    django_capture_on_commit_callbacks: object,
) -> None:
    make_store()
    accounts = [make_account(f"Room {i}") for i in range(20)]
    with django_capture_on_commit_callbacks(execute=True):  # type: ignore[operator]
        count = block_accounts(
            account_ids=[account.pk for account in accounts], reason="audit", actor=actor,
            approved=True,
        )  # fmt: skip
    assert count == 20
    assert len(messages) == 1
    assert Account.objects.filter(state=State.BLOCKED).count() == 20


def test_too_many_accounts_at_once_are_refused(actor: Actor) -> None:
    with pytest.raises(InvalidInput, match="too many at once"):
        block_accounts(account_ids=range(1001), reason="x", actor=actor)


def test_a_leaver_is_restored_until_the_pin_ends(actor: Actor) -> None:
    make_rule()
    account = make_account(person=make_person(left_at=timezone.now()), state=State.GRACE)
    restored = restore_leaver(account=account, reason="Handover", actor=actor)
    assert restored.state == State.ACTIVE
    pin = Pin.objects.get()
    assert (pin.field, pin.value, pin.reason) == ("state", "active", "Handover")
    assert end_pin(pin=pin, actor=actor).state == State.GRACE


def test_only_an_account_in_grace_can_be_restored(actor: Actor) -> None:
    account = make_account()
    with pytest.raises(InvalidInput, match="not in grace"):
        restore_leaver(account=account, reason="x", actor=actor)
    assert not Pin.objects.exists()


def test_a_pin_past_its_end_date_ends_by_itself(actor: Actor) -> None:
    make_rule()
    account = make_account(person=make_person(left_at=timezone.now()), state=State.GRACE)
    restore_leaver(account=account, reason="Handover", ends_on=timezone.localdate(), actor=actor)
    assert keep_deadlines()["pins"] == 0
    assert keep_deadlines(now=timezone.now() + timedelta(days=1))["pins"] == 1
    account.refresh_from_db()
    assert account.state == State.GRACE


def test_a_contractor_goes_into_grace_after_the_end_date_and_is_removed_after_that(
    actor: Actor,
) -> None:
    new = room(kind=Account.Kind.CONTRACTOR, ends_on=timezone.localdate(), number="+442079460123")
    account = create_account(new=new, actor=actor)
    now = timezone.now()
    assert keep_deadlines(now=now)["accounts"] == 0
    assert keep_deadlines(now=now + timedelta(days=1))["accounts"] == 1
    account.refresh_from_db()
    assert account.state == State.GRACE
    assert keep_deadlines(now=now + timedelta(days=32))["removed"] == 1
    account.refresh_from_db()
    assert account.state == State.REMOVED
    assert Number.objects.get().state == Number.State.QUARANTINED
    assert keep_deadlines(now=now + timedelta(days=123))["numbers"] == 1
    assert Number.objects.get().state == Number.State.FREE


def test_removing_an_account_takes_its_secret_and_puts_its_number_into_quarantine(
    actor: Actor,
) -> None:
    make_store()
    account = create_account(new=room(number="+442079460123"), actor=actor)
    PendingChange.objects.all().delete()
    remove_account(account=account, reason="rebuilt", actor=actor)
    account.refresh_from_db()
    assert account.state == State.REMOVED
    assert not Credential.objects.exists()
    assert Number.objects.get().state == Number.State.QUARANTINED
    assert pending() == {account.aor}
    assert pending("alias") == {f"+442079460123@{account.domain}"}


def test_whoever_comes_back_after_grace_finds_an_account_whose_old_secret_is_gone(
    actor: Actor,
) -> None:
    make_rule()
    account = make_account(person=make_person(left_at=timezone.now()), state=State.GRACE)
    before = account.credential.secret()
    Account.objects.update(grace_until=timezone.now())
    assert keep_deadlines()["removed"] == 1
    credential = Credential.objects.get()
    assert credential.version == 2
    assert credential.secret() not in (None, before)


def test_the_account_of_a_person_cannot_be_removed_by_hand(actor: Actor) -> None:
    account = make_account(person=make_person())
    with pytest.raises(InvalidInput, match="block it"):
        remove_account(account=account, reason="x", actor=actor)


def test_moving_a_person_to_another_pool_is_a_pin_with_a_reason(actor: Actor) -> None:
    account = make_account(person=make_person())
    new_pool = make_pool("Tokyo")
    with pytest.raises(InvalidInput, match="Say why"):
        change_account(
            account=account,
            change=AccountChange(pool=new_pool, site=None, profile=None),
            actor=actor,
        )
    change = AccountChange(pool=new_pool, site=None, profile=None, reason="Moved to Tokyo")
    assert change_account(account=account, change=change, actor=actor).pool == new_pool
    assert Pin.objects.get(field="pool").value == str(new_pool.pk)
    assert AuditEvent.objects.get().detail == {"home pool": ["Frankfurt", "Tokyo"]}


def test_a_room_can_be_changed_and_an_unchanged_form_leaves_no_trace(actor: Actor) -> None:
    account = create_account(new=room(), actor=actor)
    AuditEvent.objects.all().delete()
    same = AccountChange(pool=account.pool, site=account.site, profile=None, name=account.name)
    change_account(account=account, change=same, actor=actor)
    assert not AuditEvent.objects.exists()
    changed = change_account(
        account=account, change=replace(same, name="Room Ölberg", site=None), actor=actor
    )
    assert changed.name_key == "room olberg"
    assert AuditEvent.objects.get().detail == {
        "name": ["Room Aquarium", "Room Ölberg"],
        "site": ["London", ""],
    }


def test_a_rename_marks_the_old_and_the_new_address_and_ends_links(actor: Actor) -> None:
    make_store()
    account = make_account()
    former, link = account.aor, link_of(account)
    renamed = rename_account(account=account, user_part="reception", reason="moved", actor=actor)
    assert pending() == {former, "reception@voice.example.com"}
    assert renamed.credential.auth_user == "reception"
    link.refresh_from_db()
    assert link.revoked_at is not None


def test_a_rotated_credential_has_a_new_secret_that_no_event_shows(actor: Actor) -> None:
    make_store()
    account = make_account()
    before, link = account.credential.secret(), link_of(account)
    credential = rotate_credential(account=account, actor=actor)
    assert credential.secret() not in (None, before)
    assert credential.version == 2
    link.refresh_from_db()
    assert link.revoked_at is not None
    assert pending() == {account.aor}
    event = AuditEvent.objects.get()
    assert event.detail == {"credential version": [1, 2]}
    assert str(credential.secret()) not in repr(credential) + str(event.detail)
