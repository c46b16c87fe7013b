"""Taking an existing Kamailio over: adopted rows, the first push, drift, and the way back."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from lab.kamailio import Kamailio
from lab.sip import Login, SipClient
from provisioning.core.errors import InvalidInput, UnsafePlan
from provisioning.core.sip import ha1
from provisioning.drivers.base import Kind
from provisioning.models import (
    Account,
    Alias,
    ConfigStore,
    Drift,
    Number,
    OwnedRow,
    Person,
    PushRecord,
    RowImages,
)
from provisioning.services.accounts.credentials import rotate_credential
from provisioning.services.accounts.standing import settle
from provisioning.services.actor import COMMAND_LINE
from provisioning.services.clients import documents
from provisioning.services.push import drift_actions, outbox
from provisioning.services.push.reconcile import reconcile
from provisioning.services.push.revert import plan_revert, revert
from provisioning.services.servers import scope
from provisioning.services.servers.adopt import Effect, adopt, preview_adoption
from provisioning.services.servers.adopt_choice import Portion, read_aors
from tests.factories import make_account, make_domain, make_group, make_person
from tests.push_site import Site

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.database]

DOMAIN = "voice.example.com"
OLD = "the old password"
EVERYTHING = Portion()
WHOLE = "SELECT * FROM {} ORDER BY id"
NOT_ADOPTED = "WHERE username IN ('fax', 'Paused')"


@pytest.fixture
def found(either_site: Site) -> Site:
    """A Kamailio that somebody else has filled, observed; and accounts here for some of it."""
    site = either_site
    ConfigStore.objects.update(mode="observe")
    site.store.refresh_from_db()
    make_domain()
    rows = [
        ("ann", ha1("ann", DOMAIN, OLD), ha1(f"ann@{DOMAIN}", DOMAIN, OLD), ""),
        ("1002", ha1("1002", DOMAIN, OLD), "", ""),
        ("clear", "", "", "their clear text"),
        ("fax", ha1("fax", DOMAIN, OLD), "", ""),
        ("Paused", ha1("Paused", DOMAIN, OLD), "", ""),
    ]
    site.execute(
        *(
            "INSERT INTO subscriber (username, domain, ha1, ha1b, password) "  # noqa: S608
            f"VALUES ('{user}', '{DOMAIN}', '{one}', '{two}', '{password}')"
            for user, one, two, password in rows
        ),
        *(
            "INSERT INTO dbaliases (alias_username, alias_domain, username, domain) "  # noqa: S608
            f"VALUES ('{alias}', '{DOMAIN}', '{user}', '{DOMAIN}')"
            for alias, user in (("+442079460101", "ann"), ("reception", "ann"), ("7", "fax"))
        ),
        f"INSERT INTO domain (domain) VALUES ('{DOMAIN}')",  # noqa: S608
    )
    make_account("Ann", user_part="ann")
    make_account("Clear", user_part="clear")
    bob = make_person("Bob Ray", login="1002")
    make_account(person=bob, user_part="bob.ray")
    return site


def manage(site: Site) -> None:
    ConfigStore.objects.filter(pk=site.store.pk).update(mode="manage")
    site.store.refresh_from_db()
    outbox.mark_store(site.store)


def foreign(site: Site) -> list[Any]:
    """Every row that is never the console's, with all its columns."""
    return [
        site.rows(f"SELECT * FROM subscriber {NOT_ADOPTED} ORDER BY id"),  # noqa: S608
        site.rows("SELECT * FROM dbaliases WHERE username = 'fax'"),
        site.rows(WHOLE.format("domain")),
    ]


def status(kamailio: Kamailio, user: str, password: str = OLD) -> int:
    with SipClient(kamailio.sip_port) as client:
        return client.register(Login(user, DOMAIN, password)).status


def test_a_phone_registers_with_its_old_password_before_and_after_and_notices_nothing(
    found: Site, new_kamailio: Callable[..., Kamailio]
) -> None:
    kamailio = new_kamailio(found)
    assert status(kamailio, "ann") == 200
    before = foreign(found)
    adopt(store=found.store, portion=Portion(clear_text=True), actor=COMMAND_LINE)
    assert status(kamailio, "ann") == 200
    manage(found)
    assert found.push().failed == 0
    assert status(kamailio, "ann") == 200
    assert status(kamailio, "1002") == 200
    assert status(kamailio, "clear", "their clear text") == 200
    assert status(kamailio, "fax") == 200
    assert foreign(found) == before
    rotate_credential(account=Account.objects.get(aor=f"ann@{DOMAIN}"), actor=COMMAND_LINE)
    found.push()
    assert status(kamailio, "ann") == 401


def test_a_preview_says_what_the_next_push_then_does_and_keeps_nothing(found: Site) -> None:
    report = preview_adoption(store=found.store, portion=EVERYTHING)
    assert (report.adopted, report.renamed) == (2, 1)
    assert report.effects == {Effect.COLUMNS: 2}
    assert sum(report.left.values()) == 3
    assert any("clear text only" in reason for reason in report.left)
    with_clear = preview_adoption(store=found.store, portion=Portion(clear_text=True))
    assert with_clear.effects == {Effect.COLUMNS: 2, Effect.DIGEST: 1}
    assert not OwnedRow.objects.exists()
    assert not PushRecord.objects.exists()


def test_the_first_push_changes_exactly_what_the_preview_said(found: Site) -> None:
    digests = found.rows("SELECT username, ha1 FROM subscriber WHERE ha1 <> '' ORDER BY id")
    adopt(store=found.store, portion=Portion(clear_text=True), actor=COMMAND_LINE)
    manage(found)
    found.push()
    now = found.rows("SELECT username, ha1 FROM subscriber WHERE username <> 'clear' ORDER BY id")
    assert now == digests
    ((ann,),) = found.rows("SELECT ha1b FROM subscriber WHERE username = 'ann'")
    assert ann == ha1(f"ann@{DOMAIN}", DOMAIN, OLD)
    ((derived, password),) = found.rows(
        "SELECT ha1, password FROM subscriber WHERE username = 'clear'"
    )
    assert derived == ha1("clear", DOMAIN, "their clear text")
    assert password.startswith("!unusable-")
    assert Account.objects.get(aor=f"clear@{DOMAIN}").credential.secret() == "their clear text"
    outbox.mark_store(found.store)
    assert found.push().changed == 0


@pytest.mark.parametrize(
    ("portion", "adopted"),
    [
        (Portion(aors=read_aors(b"SIP URI\nsip:ANN@voice.example.com,x\n")), ["ann"]),
        (Portion(matches=frozenset({"user name"})), ["1002"]),
        (Portion(matches=frozenset({"SIP URI"})), ["ann"]),
        (Portion(domains=frozenset({"other.example.com"})), []),
    ],
)
def test_only_the_chosen_portion_is_adopted(
    found: Site, portion: Portion, adopted: list[str]
) -> None:
    adopt(store=found.store, portion=portion, actor=COMMAND_LINE)
    owned = OwnedRow.objects.filter(kind=Kind.SUBSCRIBER).values_list("key", flat=True)
    assert [key.partition("@")[0] for key in owned] == adopted


def test_a_group_is_a_portion(found: Site) -> None:
    bob = Person.objects.get(display_name="Bob Ray")
    portion = Portion(group=make_group(members=(bob,)))
    assert adopt(store=found.store, portion=portion, actor=COMMAND_LINE).adopted == 1
    assert Account.objects.get(person=bob).aor == f"1002@{DOMAIN}"


def test_aliases_come_with_their_account_as_its_number_or_as_another_sip_uri(found: Site) -> None:
    assert adopt(store=found.store, portion=EVERYTHING, actor=COMMAND_LINE).aliases == 2
    assert Number.objects.get().account == Account.objects.get(aor=f"ann@{DOMAIN}")
    assert Alias.objects.get().aor == f"reception@{DOMAIN}"
    manage(found)
    before = found.aliases()
    found.push()
    assert found.aliases() == before


def test_a_secret_that_was_adopted_stands_nowhere_in_clear(found: Site) -> None:
    adopt(store=found.store, portion=EVERYTHING, actor=COMMAND_LINE)
    credential = Account.objects.get(aor=f"ann@{DOMAIN}").credential
    digest = ha1("ann", DOMAIN, OLD)
    assert digest not in str(vars(credential)) + repr(credential.imported())
    assert all(digest.encode() not in bytes(each.sealed) for each in RowImages.objects.all())
    assert credential.secret() is None


def test_an_account_without_clear_text_says_which_documents_it_cannot_have(found: Site) -> None:
    adopt(store=found.store, portion=EVERYTHING, actor=COMMAND_LINE)
    account = Account.objects.select_related("credential").get(aor=f"ann@{DOMAIN}")
    names = {each.name for each in documents.unservable_formats(account=account)}
    assert "linphone" not in names
    assert "baresip" in names


def test_another_realm_is_never_silent(found: Site) -> None:
    adopt(store=found.store, portion=Portion(clear_text=True), actor=COMMAND_LINE)
    manage(found)
    found.push()
    before = found.subscribers()
    domain = make_domain()
    domain.realm_override = "another.example.com"
    domain.save()
    outbox.mark_store(found.store)
    found.push()
    assert "new credential" in found.change(f"ann@{DOMAIN}").problem
    assert found.subscribers()[f"ann@{DOMAIN}"] == before[f"ann@{DOMAIN}"]


def test_an_adoption_that_is_reverted_leaves_the_server_as_it_was_found(found: Site) -> None:
    tables = [WHOLE.format(table) for table in ("subscriber", "dbaliases", "domain")]
    before = [found.rows(table) for table in tables]
    adopt(store=found.store, portion=Portion(clear_text=True), actor=COMMAND_LINE)
    manage(found)
    found.push()
    assert [found.rows(table) for table in tables] != before
    record = PushRecord.objects.get(kind="adoption")
    revert(record=record, reason="wrong portion", actor=COMMAND_LINE)
    assert [found.rows(table) for table in tables] == before
    assert not OwnedRow.objects.filter(kind=Kind.SUBSCRIBER).exists()


def pushed(site: Site, count: int = 4) -> list[Account]:
    accounts = [make_account(user_part=f"user{number}") for number in range(count)]
    outbox.mark_store(site.store)
    site.push()
    return accounts


def test_a_push_is_reverted_except_what_moved_on_since(either_site: Site) -> None:
    site = either_site
    accounts = pushed(site)
    before = site.subscribers()
    for account in accounts[:3]:
        account.blocked, account.blocked_reason = True, "test"
    settle(accounts[:3])
    site.push()
    record = PushRecord.objects.latest("pk")
    assert record.changed == 3
    site.execute("UPDATE subscriber SET ha1 = 'by hand' WHERE username = 'user1'")
    plan = plan_revert(record=record)
    assert (plan.written, plan.moved, plan.moved_examples) == (
        2,
        1,
        [("account", f"user1@{DOMAIN}")],
    )
    revert(record=record, reason="blocked the wrong ones", actor=COMMAND_LINE)
    assert site.subscribers() == {**before, f"user1@{DOMAIN}": "by hand"}
    # A full comparison leaves it alone for a while; a change of the account does not.
    outbox.mark_store(site.store)
    ConfigStore.objects.update(repairs_drift=True)
    site.push()
    assert site.subscribers()[f"user0@{DOMAIN}"] == before[f"user0@{DOMAIN}"]
    outbox.mark_account(accounts[0])
    site.push()
    assert site.subscribers()[f"user0@{DOMAIN}"] == "!"


def test_a_revert_that_takes_away_too_much_waits_for_approval(either_site: Site) -> None:
    pushed(either_site)
    record = PushRecord.objects.get()
    with pytest.raises(UnsafePlan, match="4 accounts could not register"):
        revert(record=record, reason="start again", actor=COMMAND_LINE)
    assert len(either_site.subscribers()) == 4
    revert(record=record, reason="start again", actor=COMMAND_LINE, approved=True)
    assert either_site.subscribers() == {}
    again = PushRecord.objects.get(kind="revert")
    assert Drift.objects.exists()
    done = revert(record=again, reason="after all", actor=COMMAND_LINE)
    assert len(either_site.subscribers()) == 4
    assert not Drift.objects.exists(), "all stands there as the console wants it"
    assert (done.aside, reconcile(store=either_site.store).total) == (0, 0)


def drift_by_hand(site: Site) -> None:
    site.execute(
        "UPDATE subscriber SET ha1 = 'ffffffffffffffffffffffffffffffff' WHERE username = 'user0'",
        "DELETE FROM subscriber WHERE username = 'user1'",
    )


def test_drift_is_found_and_waits_for_a_person_who_repairs_it(either_site: Site) -> None:
    site = either_site
    pushed(site)
    before = site.subscribers()
    assert reconcile(store=site.store).total == 0
    drift_by_hand(site)
    assert reconcile(store=site.store).counts == {"changed": 1, "missing": 1}
    first = Drift.objects.get(problem="changed").first_seen
    assert Drift.objects.get(problem="changed").fields == [["password", None, None]]
    outbox.mark_store(site.store)
    site.push()
    assert site.subscribers() != before
    reconcile(store=site.store)
    assert Drift.objects.get(problem="changed").first_seen == first
    drift_actions.repair(store=site.store, drift=list(Drift.objects.all()), actor=COMMAND_LINE)
    site.push()
    assert site.subscribers() == before
    assert not Drift.objects.exists()
    site.store.refresh_from_db()
    assert site.store.drift_count == 0


def test_what_is_ignored_is_left_alone_until_its_day(either_site: Site) -> None:
    site = either_site
    pushed(site)
    ConfigStore.objects.update(repairs_drift=True)
    site.store.refresh_from_db()
    drift_by_hand(site)
    reconcile(store=site.store, repair=False)
    changed = Drift.objects.get(problem="changed")
    today = timezone.localdate()
    drift_actions.ignore(
        store=site.store, drift=[changed], until=today, reason="a test", actor=COMMAND_LINE
    )
    assert reconcile(store=site.store).repairing == 1
    site.push()
    assert site.subscribers()[f"user0@{DOMAIN}"] == "f" * 32
    Drift.objects.update(ignored_until=today - timedelta(days=1))
    assert reconcile(store=site.store).repairing == 1
    site.push()
    assert site.subscribers()[f"user0@{DOMAIN}"] != "f" * 32


def test_the_servers_value_can_be_taken_over(either_site: Site) -> None:
    site = either_site
    accounts = pushed(site)
    drift_by_hand(site)
    reconcile(store=site.store)
    changed = Drift.objects.get(problem="changed")
    drift_actions.take_over(store=site.store, drift=changed, actor=COMMAND_LINE)
    accounts[0].credential.refresh_from_db()
    assert accounts[0].credential.secret() is None
    site.push()
    assert site.subscribers()[f"user0@{DOMAIN}"] == "f" * 32
    with pytest.raises(InvalidInput):
        drift_actions.take_over(store=site.store, drift=Drift.objects.get(), actor=COMMAND_LINE)


def test_somebody_who_may_not_register_is_locked_out_again_at_once(either_site: Site) -> None:
    site = either_site
    accounts = pushed(site)
    Account.objects.filter(pk=accounts[0].pk).update(state="blocked")
    outbox.mark_account(accounts[0])
    site.push()
    drift_by_hand(site)
    outbox.mark_store(site.store)
    site.push()
    assert site.subscribers()[f"user0@{DOMAIN}"] == "!"


def test_what_is_about_to_be_pushed_is_no_drift(either_site: Site) -> None:
    site = either_site
    accounts = pushed(site)
    Account.objects.filter(pk=accounts[0].pk).update(state="blocked")
    outbox.mark_account(accounts[0])
    assert reconcile(store=site.store).total == 0


def test_by_itself_a_store_repairs_no_more_than_its_limit(either_site: Site) -> None:
    site = either_site
    pushed(site)
    ConfigStore.objects.update(repairs_drift=True)
    site.store.refresh_from_db()
    site.execute("DELETE FROM subscriber")
    report = reconcile(store=site.store)
    assert (report.total, report.repairing) == (4, 0)
    assert reconcile(store=site.store, repair=True).repairing == 4


def test_a_push_that_broke_off_leaves_no_drift_behind(
    either_site: Site,
) -> None:
    """What was noted and perhaps never written is written by the next full pass."""
    site = either_site
    accounts = pushed(site)
    row = OwnedRow.objects.get(key=accounts[0].aor)
    PushRecord.objects.update(settled=False)
    site.execute("DELETE FROM subscriber WHERE username = 'user0'")
    outbox.mark_store(site.store)
    site.push()
    assert len(site.subscribers()) == 4
    assert OwnedRow.objects.get(key=accounts[0].aor).content == row.content
    assert not PushRecord.objects.filter(settled=False).exists()


def test_nothing_outside_the_managed_scope_is_written(either_site: Site) -> None:
    site = either_site
    ann, bob = make_person("Ann", login="a"), make_person("Bob", login="b")
    other = make_domain("other.example.com")
    inside = make_account(person=ann, user_part="ann")
    make_account(person=bob, user_part="bob")
    make_account(user_part="room")
    make_account(person=make_person("Cem", login="c"), user_part="cem", domain=other)
    scope.set_scope(
        store=site.store,
        kinds=["subscriber"],
        domains=[make_domain()],
        groups=[make_group(members=(ann,))],
        actor=COMMAND_LINE,
    )
    site.push()
    assert set(site.subscribers()) == {inside.aor}
    assert site.domains() == set()
    outside = scope.outside(store=ConfigStore.objects.get(pk=site.store.pk))
    assert {account.user_part for account in outside} == {"bob", "room", "cem"}
    # A single change outside is dropped, and a row that left the scope stays as it is.
    outbox.mark_account(Account.objects.get(user_part="bob"))
    scope.set_scope(
        store=site.store, kinds=["subscriber"], domains=[other], groups=[], actor=COMMAND_LINE
    )
    Account.objects.filter(pk=inside.pk).update(state="blocked")
    outbox.mark_account(inside)
    site.push()
    assert site.subscribers()[inside.aor] != "!"
    assert set(site.subscribers()) == {inside.aor, "cem@other.example.com"}
    assert not site.pending()
