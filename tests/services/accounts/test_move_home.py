"""Moving many accounts to another home pool: who moves, who stays and why, and the limits."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from provisioning.core.errors import InvalidFields, InvalidInput, StalePlan, UnsafePlan
from provisioning.core.sip import ImportedDigest
from provisioning.core.states import State
from provisioning.drivers.kamailio.store import KamailioStore
from provisioning.models import (
    Account,
    AuditEvent,
    ConfigStore,
    ConsoleUser,
    LimitUse,
    OwnedRow,
    PendingChange,
    Pin,
    Run,
    ServerPool,
)
from provisioning.services.accounts import move_home as room
from provisioning.services.accounts.accounts import AccountChange, change_account
from provisioning.services.accounts.deadlines import keep_deadlines
from provisioning.services.accounts.move_home import HomeMove, move_home
from provisioning.services.actor import COMMAND_LINE, Actor
from provisioning.services.console.audit import find_broken_event
from tests.factories import make_account, make_domain, make_person, make_pool, make_store
from tests.services.company import Company, company

__all__ = ["company"]

pytestmark = [pytest.mark.django_db, pytest.mark.database]


@pytest.fixture
def berlin() -> ServerPool:
    return make_pool("Berlin")


def move(pool: ServerPool, **options: Any) -> HomeMove:
    given = {"accounts": Account.objects.all(), "reason": "New building", "actor": COMMAND_LINE}
    return move_home(pool=pool, **{**given, **options})


def crowd(count: int) -> list[Account]:
    return [make_account(f"Room {n:03}") for n in range(count)]


def test_people_are_pinned_and_rooms_moved_each_with_a_push_and_an_event(
    berlin: ServerPool, administrator: ConsoleUser
) -> None:
    former, new = make_store(), make_store(pool=berlin)
    person, other = make_account(person=make_person()), make_account("Aquarium")
    OwnedRow.objects.create(store=former, kind="subscriber", key=person.aor, content="x")
    done = move(berlin, actor=Actor.of(administrator), approved=True)
    assert (len(done.moving), done.leaving, done.refused) == (2, {"Frankfurt": 2}, ())
    assert set(Account.objects.values_list("pool", "version")) == {(berlin.pk, 2)}
    pin = Pin.objects.get()
    assert (pin.account, pin.field, pin.value) == (person, "pool", str(berlin.pk))
    assert (pin.reason, pin.by, pin.ends_on) == ("New building", administrator, None)
    marked = set(PendingChange.objects.filter(kind="subscriber").values_list("store", "key"))
    assert marked == {(new.pk, person.aor), (new.pk, other.aor), (former.pk, person.aor)}
    events = AuditEvent.objects.filter(action="moved")
    assert {event.object_id for event in events} == {str(person.pk), str(other.pk)}
    assert events[0].detail == {"home pool": ["Frankfurt", "Berlin"], "reason": "New building"}
    assert find_broken_event() is None


def test_a_preview_tells_all_of_it_and_keeps_nothing(berlin: ServerPool) -> None:
    crowd(2)
    make_account("There", pool=berlin)
    shown = move(berlin, reason="", dry=True)
    assert (len(shown.moving), shown.there, shown.unserved) == (2, 1, True)
    assert shown.breaches
    assert Account.objects.filter(pool=berlin).count() == 1
    assert not AuditEvent.objects.exists()


def test_only_what_was_shown_is_moved(berlin: ServerPool) -> None:
    make_account("Aquarium")
    shown = move(berlin, dry=True)
    make_account("Terrarium")
    with pytest.raises(StalePlan, match="Nothing was changed"):
        move(berlin, seen=shown.seen, approved=True)
    assert not Account.objects.filter(pool=berlin).exists()
    again = move(berlin, dry=True)
    assert len(move(berlin, seen=again.seen, approved=True).moving) == 2


def test_who_cannot_move_stays_with_the_reason_and_the_others_go(berlin: ServerPool) -> None:
    store = make_store(pool=berlin, algorithm="SHA-256")
    removed = make_account("Gone", state=State.REMOVED)
    room_account = make_account("Aquarium")
    taken_over, fine = (make_account(person=make_person()) for _ in range(2))
    credential = taken_over.credential
    credential.set_import(
        ImportedDigest(taken_over.user_part, taken_over.domain.realm, "MD5", "0" * 32)
    )
    credential.save()
    tomorrow = timezone.localdate() + timedelta(days=1)
    done = move(berlin, ends_on=tomorrow, approved=True)
    assert [aor for _, aor in done.moving] == [fine.aor]
    reasons = {aor: each.reason for each in done.refused for _, aor in each.accounts}
    assert "removed" in reasons[removed.aor]
    assert "without an end" in reasons[room_account.aor]
    assert f"does not fit {store}" in reasons[taken_over.aor]
    assert set(Account.objects.filter(pool=berlin)) == {fine}
    assert Pin.objects.get().ends_on == tomorrow


def test_a_pin_to_another_pool_is_replaced_and_told(berlin: ServerPool, company: Company) -> None:
    account = make_account(person=make_person())
    run = Run.objects.create(kind="undo")
    Pin.objects.create(account=account, field="pool", value="1", reason="old", run=run)
    accounts = Account.objects.filter(pk=account.pk)
    assert move(berlin, accounts=accounts).repinned == 1
    pin = Pin.objects.get()
    assert (pin.value, pin.reason, pin.run) == (str(berlin.pk), "New building", None)


def test_a_sync_leaves_them_there_until_the_last_day(berlin: ServerPool, company: Company) -> None:
    company.relax()
    company.directory.add("ann")
    company.sync()
    today = timezone.localdate()
    move(berlin, ends_on=today)
    company.sync()
    assert Account.objects.get().pool == berlin
    LimitUse.objects.update(at=timezone.now() - timedelta(days=1))
    keep_deadlines(now=timezone.now() + timedelta(days=1))
    company.sync()
    assert Account.objects.get().pool == company.rule.pool


def test_moves_of_a_day_add_up_and_more_than_the_limit_needs_approval(
    berlin: ServerPool, administrator: ConsoleUser, helpdesk: ConsoleUser
) -> None:
    make_store()
    rooms = crowd(100)
    for start in (0, 3):
        accounts = Account.objects.filter(pk__in=[r.pk for r in rooms[start : start + 3]])
        if start == 0:
            move(berlin, accounts=accounts, actor=Actor.of(helpdesk))
    with pytest.raises(UnsafePlan, match="changed home pool, 3 planned on top of 3"):
        move(berlin, accounts=accounts)
    with pytest.raises(UnsafePlan):
        move(berlin, accounts=accounts, actor=Actor.of(helpdesk), approved=True)
    assert Account.objects.filter(pool=berlin).count() == 3
    move(berlin, accounts=accounts, actor=Actor.of(administrator), approved=True)
    assert Account.objects.filter(pool=berlin).count() == 6


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"reason": " "}, "Say why"),
        ({"ends_on": timezone.localdate() - timedelta(days=2)}, "has passed"),
        ({"accounts": Account.objects.none()}, "no such account"),
        ({"accounts": Account.objects.filter(state=State.REMOVED)}, "None of these"),
    ],
)
def test_what_cannot_be_changes_nothing(
    berlin: ServerPool, options: dict[str, Any], says: str
) -> None:
    make_account("Gone", state=State.REMOVED)
    make_account("Aquarium")
    with pytest.raises((InvalidInput, InvalidFields)) as refused:
        move(berlin, **options)
    assert says in refused.value.message
    assert not AuditEvent.objects.exists()


def test_more_than_can_be_done_at_once_is_refused(
    berlin: ServerPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "MOST_AT_ONCE", 2)
    crowd(3)
    with pytest.raises(InvalidInput, match="More than 2 accounts"):
        move(berlin)


def test_eighty_cost_no_more_statements_than_ten(berlin: ServerPool) -> None:
    make_store()
    source = make_person().source
    counts = []
    for count in (10, 80):
        some = [make_account(person=make_person(source=source)) for _ in range(count)]
        accounts = Account.objects.filter(pk__in=[each.pk for each in some])
        with CaptureQueriesContext(connection) as queries:
            move(berlin, accounts=accounts, approved=True)
        counts.append(len(queries))
    assert counts[0] == counts[1]


def test_whom_no_store_there_would_write_stays_and_is_told(berlin: ServerPool) -> None:
    narrow = make_store(name="berlin-1", pool=berlin)
    narrow.scope_domains.set([make_domain("desk.example.com")])
    inside = make_account("Desk", domain=make_domain("desk.example.com"))
    outside = make_account("Aquarium")
    done = move(berlin, approved=True)
    assert [aor for _, aor in done.moving] == [inside.aor]
    (refusal,) = done.refused
    assert refusal.accounts == (("Aquarium", outside.aor),)
    assert "outside of the managed scope of berlin-1" in refusal.reason
    wide = make_store(name="berlin-2", pool=berlin)
    assert not move(berlin, dry=True).refused
    wide.mode = ConfigStore.Mode.OBSERVE
    wide.save()
    assert len(move(berlin, dry=True).refused) == 1


def test_nobody_moves_where_there_would_be_more_than_the_servers_can_do_with(
    berlin: ServerPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = make_store(pool=berlin)
    make_account("There", pool=berlin)
    crowd(2)
    monkeypatch.setattr(KamailioStore, "capacity", 2)
    with pytest.raises(InvalidInput, match="None of these accounts"):
        move(berlin, approved=True)
    shown = move(berlin, dry=True)
    assert (shown.moving, len(shown.refused[0].accounts)) == ((), 2)
    assert f"The servers of {store} can do with 2 accounts." in shown.refused[0].reason
    monkeypatch.setattr(KamailioStore, "capacity", 3)
    assert len(move(berlin, approved=True).moving) == 2


@pytest.mark.parametrize("narrowed", [True, False])
def test_one_account_is_not_moved_where_nobody_would_serve_it(
    berlin: ServerPool, narrowed: bool
) -> None:
    store = make_store(pool=berlin, algorithm="SHA-256")
    account = make_account("Aquarium")
    if narrowed:
        store.scope_domains.set([make_domain("desk.example.com")])
    else:
        credential = account.credential
        credential.set_import(
            ImportedDigest(account.user_part, account.domain.realm, "MD5", "0" * 32)
        )
        credential.save()
    change = AccountChange(pool=berlin, site=None, profile=None, name="Aquarium")
    with pytest.raises(InvalidFields) as refused:
        change_account(account=account, change=change, actor=COMMAND_LINE)
    assert list(refused.value.fields) == ["pool"]
    assert refused.value.message.endswith("Nothing was changed.")
    assert Account.objects.get().pool != berlin
