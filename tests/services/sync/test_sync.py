"""The sync: who comes, changes, moves, leaves and returns, and what becomes of their accounts."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from provisioning.core.states import State
from provisioning.models import (
    Account,
    AuditEvent,
    Credential,
    PendingChange,
    PlannedChange,
    Run,
)
from provisioning.services.accounts import blocks
from provisioning.services.accounts.deadlines import keep_deadlines
from provisioning.services.actor import COMMAND_LINE
from tests.services.company import Company, company, rows_of

__all__ = ["company"]

pytestmark = [pytest.mark.database, pytest.mark.django_db]


def test_the_first_sync_makes_people_accounts_credentials_and_pending_changes(
    company: Company,
) -> None:
    ann = company.directory.add("ann", phone="+442079460001", mail="ann@example.com")
    company.directory.add("bob")
    run = company.sync()
    assert (run.state, run.problem, run.phase) == (Run.State.DONE, "", Run.Phase.FINISHED)
    assert run.counts["person.create"] == run.counts["account.create"] == 2
    assert run.counts["read.people"] == 2
    account = company.account(ann)
    assert (account.aor, account.state, account.kind) == (
        "ann@voice.example.com", State.ACTIVE, Account.Kind.PERSON,
    )  # fmt: skip
    assert account.number.e164 == "+442079460001"
    assert account.search_key == "ann ann@voice.example.com +442079460001"
    credential = Credential.objects.get(account=account)
    assert credential.auth_user == "ann"
    assert len(credential.secret() or "") == 24
    assert set(PendingChange.objects.values_list("store", "kind", "key")) == {
        (company.store.pk, "subscriber", "ann@voice.example.com"),
        (company.store.pk, "subscriber", "bob@voice.example.com"),
        (company.store.pk, "alias", "+442079460001@voice.example.com"),
    }
    event = AuditEvent.objects.get(action="applied")
    assert event.detail["counts"] == {"person.create": 2, "account.create": 2}


def test_an_unchanged_sync_writes_nothing_about_people(company: Company) -> None:
    everybody = company.directory.add_many(30)
    company.directory.group("All", *everybody)
    company.sync()
    PendingChange.objects.all().delete()
    with CaptureQueriesContext(
        connection,
    ) as queries:
        run = company.sync()
    assert run.state == Run.State.DONE
    assert not rows_of(run)
    assert not PendingChange.objects.exists()
    written = [q["sql"] for q in queries if q["sql"].startswith(("INSERT", "UPDATE", "DELETE"))]
    tables = ("person", "account", "number", "credential", "group", "member", "plannedchange")
    effective = [
        sql for sql in written
        if any(sql.split('"')[1] == f"provisioning_{table}" for table in tables if '"' in sql)
    ]  # fmt: skip
    assert effective == []
    assert AuditEvent.objects.filter(action="applied").count() == 1


def test_a_renamed_and_moved_entry_keeps_its_person_and_account(company: Company) -> None:
    ann = company.directory.add("ann")
    company.sync()
    person, account = company.person(ann), company.account(ann)
    ann.dn = "uid=anna,ou=elsewhere,dc=example"
    ann.set(display_name="Anna Smith")
    run = company.sync()
    assert run.counts["person.update"] == 1
    moved = company.person(ann)
    assert (moved.pk, moved.dn, moved.display_name) == (person.pk, ann.dn, "Anna Smith")
    assert (moved.name_key, moved.version) == ("anna smith", person.version + 1)
    assert company.account(ann).pk == account.pk
    assert company.account(ann).name == "Anna Smith"
    assert company.account(ann).aor == account.aor


def test_the_sip_uri_is_sticky_and_its_change_is_proposed_once(company: Company) -> None:
    ann = company.directory.add("ann")
    company.sync()
    ann.set(login="anna")
    run = company.sync()
    assert company.account(ann).aor == "ann@voice.example.com"
    proposal = PlannedChange.objects.get(status=PlannedChange.Status.PROPOSED)
    assert proposal.run == run
    assert proposal.after == {"SIP URI": "anna@voice.example.com"}
    ann.set(title="Director")
    company.sync()
    company.sync()
    assert PlannedChange.objects.filter(status=PlannedChange.Status.PROPOSED).count() == 1


def test_the_sip_uri_follows_where_the_rule_says_so(company: Company) -> None:
    ann = company.directory.add("ann", phone="+442079460001")
    company.sync()
    company.rule.follow_user = True
    company.rule.save()
    company.relax()
    before = Credential.objects.get(account=company.account(ann))
    ann.set(login="anna")
    PendingChange.objects.all().delete()
    assert company.sync().state == Run.State.DONE
    account = company.account(ann)
    assert (account.aor, account.user_part) == ("anna@voice.example.com", "anna")
    after = Credential.objects.get(account=account)
    assert (after.auth_user, after.version) == ("anna", before.version + 1)
    assert set(PendingChange.objects.values_list("key", flat=True)) == {
        "ann@voice.example.com", "anna@voice.example.com", "+442079460001@voice.example.com",
    }  # fmt: skip


def test_somebody_disabled_loses_service_and_gets_it_back(company: Company) -> None:
    company.relax()
    ann = company.directory.add("ann")
    company.sync()
    ann.set(locked="yes")
    company.sync()
    assert company.person(ann).disabled
    assert company.account(ann).state == State.DISABLED
    ann.set(locked="")
    company.sync()
    assert company.account(ann).state == State.ACTIVE


def test_somebody_who_starts_disabled_is_prepared_with_a_reserved_number(company: Company) -> None:
    ann = company.directory.add("ann", locked="yes", phone="+442079460001")
    company.sync()
    assert company.account(ann).state == State.PREPARED
    assert company.account(ann).number.state == "reserved"
    ann.set(locked="")
    company.sync()
    assert company.account(ann).state == State.ACTIVE
    assert company.account(ann).number.state == "assigned"


def test_a_leaver_is_kept_in_grace_and_comes_back_as_the_same(company: Company) -> None:
    company.relax()
    ann, _ = company.directory.add("ann", phone="+442079460001"), company.directory.add("bob")
    company.sync()
    account, secret = company.account(ann), Credential.objects.get(account__name="Ann").secret()
    company.directory.remove(ann)
    run = company.sync()
    assert run.counts["person.leave"] == 1
    assert company.person(ann).left_at is not None
    gone = company.account(ann)
    assert gone.state == State.GRACE
    assert gone.grace_until is not None
    assert timedelta(days=29) < gone.grace_until - timezone.now() < timedelta(days=31)
    assert gone.number.e164 == "+442079460001"
    assert not rows_of(company.sync())
    company.directory.people.append(ann)
    run = company.sync()
    assert run.counts["person.return"] == 1
    back = company.account(ann)
    assert (back.pk, back.state, back.grace_until) == (account.pk, State.ACTIVE, None)
    assert Credential.objects.get(account=back).secret() == secret
    assert company.person(ann).left_at is None


def test_somebody_who_returns_after_removal_gets_a_new_account_in_its_place(
    company: Company,
) -> None:
    company.relax()
    ann, _ = company.directory.add("ann"), company.directory.add("bob")
    company.sync()
    company.directory.remove(ann)
    company.sync()
    keep_deadlines(now=timezone.now() + timedelta(days=31))
    assert company.account(ann).state == State.REMOVED
    newcomer = company.directory.add("ann")
    company.sync()
    assert company.account(newcomer).aor == "ann@voice.example.com"
    company.directory.people.append(ann)
    company.sync()
    assert company.account(ann).state == State.REMOVED
    assert "ann@voice.example.com already belongs to Ann" in company.person(ann).problem
    ann.set(login="ann2")
    company.sync()
    account = company.account(ann)
    assert (account.state, account.aor) == (State.ACTIVE, "ann2@voice.example.com")
    assert Credential.objects.get(account=account).auth_user == "ann2"
    assert company.person(ann).problem == ""


def test_a_block_beats_a_directory_that_enables_somebody_again(company: Company) -> None:
    company.relax()
    ann = company.directory.add("ann", locked="yes")
    company.sync()
    blocks.block_account(account=company.account(ann), reason="Lost phone", actor=COMMAND_LINE)
    ann.set(locked="")
    company.sync()
    assert company.account(ann).state == State.BLOCKED
    company.directory.remove(ann)
    company.directory.add("bob")
    company.sync()
    assert company.account(ann).state == State.BLOCKED


def test_awkward_display_names_arrive_as_one_line(company: Company) -> None:
    ann = company.directory.add("ann", display_name='Ann "A"\r\n=cmd & <b>,\u2028;# Smith')
    company.sync()
    assert company.person(ann).display_name == 'Ann "A" =cmd & <b>,;# Smith'.replace(",;", ", ;")
    assert company.account(ann).name == company.person(ann).display_name


def test_the_grace_of_a_leaver_is_the_sources(company: Company) -> None:
    company.relax()
    company.source.grace_days = 7
    company.source.save()
    ann, _ = company.directory.add("ann"), company.directory.add("bob")
    company.sync()
    company.directory.remove(ann)
    company.sync()
    until = company.account(ann).grace_until
    assert until is not None
    assert timedelta(days=6) < until - timezone.now() < timedelta(days=8)
