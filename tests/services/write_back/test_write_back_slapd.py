"""Write-back to a real OpenLDAP: planned, conditional, limited, read back, resumed."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.utils import timezone

from lab.slapd import Slapd
from lab.slapd_entries import BIND_DN, ROOT_DN
from provisioning.core.errors import InvalidFields, Rejected
from provisioning.directory import writing as directory_writing
from provisioning.models import Account, Number, PlannedChange, Run, WriteBack, WrittenValue
from provisioning.services.actor import COMMAND_LINE
from provisioning.services.directory.sources import save_source
from provisioning.services.numbers.numbers import assign_number, release_number
from provisioning.services.push import pause
from provisioning.services.runs import review, runs
from provisioning.services.write_back import write_back_runs
from tests.services.writing import Writing, rows_of
from tests.sources import saved_source

pytestmark = [pytest.mark.database, pytest.mark.django_db]

LANGUAGE = "preferredLanguage"  # one value, a text, and nobody in the lab has it
HELD, STALE = PlannedChange.Status.HELD, PlannedChange.Status.STALE


@pytest.fixture
def site(slapd: Slapd) -> Writing:
    return Writing(slapd, saved_source(slapd, name="Head office"), (ROOT_DN, slapd.root_password))


@pytest.fixture
def login(site: Writing) -> str:
    """Somebody with an account and a number."""
    numbered = Account.objects.filter(number__isnull=False, person__isnull=False, state="active")
    return str(numbered.order_by("pk").values_list("person__login", flat=True)[0])


@pytest.fixture
def paused(db: None) -> Iterator[None]:
    pause.pause(reason="Test", actor=COMMAND_LINE)
    yield
    pause.resume(actor=COMMAND_LINE)


def test_every_number_is_written_once_and_then_nothing_is(site: Writing, login: str) -> None:
    site.set(telephoneNumber="number")
    run = site.run()
    assert (run.state, run.problem, run.remark) == (Run.State.DONE, "", "")
    number = site.account(login).number.e164
    assert site.values(login, "telephoneNumber") == [number]
    rows = rows_of(run)
    assert rows
    assert all(row.is_applied and row.kind == "value" for row in rows)
    mine = next(row for row in rows if row.subject == site.person(login).guid)
    assert mine.after == {"telephoneNumber": number}
    assert mine.before["telephoneNumber"] != number
    again = site.run()
    assert (again.state, rows_of(again)) == (Run.State.DONE, [])


def test_a_preview_writes_nothing(site: Writing, login: str) -> None:
    site.set(preferredLanguage="number")
    run = site.run(dry=True)
    assert run.state == Run.State.PREVIEW
    assert rows_of(run)
    assert site.values(login, LANGUAGE) == []
    assert not WrittenValue.objects.exists()


def test_a_sync_reads_written_values_without_deciding_anything(site: Writing, login: str) -> None:
    site.set(telephoneNumber="number")
    site.run()
    before = list(Account.objects.order_by("pk").values_list("aor", "version"))
    run = site.sync()
    assert not run.changes.filter(kind="account").exists()
    assert list(Account.objects.order_by("pk").values_list("aor", "version")) == before


def test_more_than_the_limit_waits_and_is_written_once_approved(site: Writing, login: str) -> None:
    site.set(preferredLanguage="extension")
    site.relax(percent=5, ceiling=250)
    run = site.run()
    assert run.state == Run.State.WAITING
    assert "changed value in the directory" in run.breaches[0]
    assert site.values(login, LANGUAGE) == []
    guid = site.person(login).guid
    review.release_people(run=run, digest=run.digest, subjects=[guid], actor=COMMAND_LINE)
    runs.execute_run(run_id=run.pk)
    assert site.values(login, LANGUAGE) == [site.account(login).number.e164[-4:]]
    run.refresh_from_db()
    assert run.state == Run.State.WAITING
    review.approve_run(run=run, digest=run.digest, actor=COMMAND_LINE)
    runs.execute_run(run_id=run.pk)
    run.refresh_from_db()
    assert run.state == Run.State.DONE
    assert not run.changes.filter(status=HELD).exists()
    assert rows_of(site.run()) == []


def test_what_waits_may_be_discarded_and_is_planned_again(site: Writing) -> None:
    site.set(preferredLanguage="number")
    site.relax(percent=5)
    run = site.run()
    review.discard_run(run=run, actor=COMMAND_LINE)
    assert site.run().state == Run.State.WAITING


def test_a_value_changed_behind_our_back_is_a_conflict_and_stays(
    site: Writing, login: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also in the moment between looking and writing."""
    site.set(preferredLanguage="number")
    real = directory_writing.Writer.write

    def late(writer: directory_writing.Writer, edit: directory_writing.Edit) -> None:
        if edit.dn.lower().startswith(f"uid={login},".lower()):
            site.put(login, LANGUAGE, "somebody else's")
        real(writer, edit)

    monkeypatch.setattr(directory_writing.Writer, "write", late)
    run = site.run()
    assert run.state == Run.State.DONE
    assert site.values(login, LANGUAGE) == ["somebody else's"]
    (row,) = rows_of(run, subject=site.person(login).guid)
    assert row.status == STALE
    assert "somebody else's" in row.message
    others = [row for row in rows_of(run) if row.subject != site.person(login).guid]
    assert others
    assert all(row.is_applied for row in others)
    assert "the next run decides anew" in run.remark


@pytest.mark.parametrize("asserts", [True, False])
def test_the_condition_holds_with_and_without_the_assertion_control(
    site: Writing, login: str, asserts: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.set(preferredLanguage="number")
    site.run()
    release_number(number=site.account(login).number, actor=COMMAND_LINE)
    new = assign_number(account=site.account(login), e164="+493012340777", actor=COMMAND_LINE)
    if not asserts:
        monkeypatch.setattr(directory_writing, "ASSERTION", "1.2.3")
    real = directory_writing.Writer.write

    def late(writer: directory_writing.Writer, edit: directory_writing.Edit) -> None:
        site.put(login, LANGUAGE, "changed")
        real(writer, edit)

    with monkeypatch.context() as patch:
        patch.setattr(directory_writing.Writer, "write", late)
        (row,) = rows_of(site.run())
    assert row.status == STALE
    site.put(login, LANGUAGE, row.before[LANGUAGE])
    assert all(row.is_applied for row in rows_of(site.run()))
    assert site.values(login, LANGUAGE) == [new.e164]


def test_only_what_the_console_wrote_is_emptied_and_only_with_approval(
    site: Writing, login: str
) -> None:
    site.set(preferredLanguage="number")
    site.run()
    mine = site.account(login)
    release_number(number=mine.number, actor=COMMAND_LINE)
    run = site.run()
    assert run.state == Run.State.WAITING
    (row,) = rows_of(run)
    assert (row.action, row.status, row.after) == ("empty", HELD, {LANGUAGE: ""})
    assert site.values(login, LANGUAGE) != []
    review.approve_run(run=run, digest=run.digest, actor=COMMAND_LINE)
    runs.execute_run(run_id=run.pk)
    assert site.values(login, LANGUAGE) == []
    site.put(login, LANGUAGE, "en")
    assert rows_of(site.run()) == []
    assert site.values(login, LANGUAGE) == ["en"]


def test_an_entry_that_is_refused_does_not_keep_others_from_theirs(
    site: Writing, slapd: Slapd, login: str
) -> None:
    """A value that the syntax of the attribute does not take: one person only."""
    site.set(
        telephoneNumber=f"if(equals(user_part, '{site.account(login).user_part}'), '§', number)"
    )
    run = site.run()
    (row,) = rows_of(run, subject=site.person(login).guid)
    assert row.status == PlannedChange.Status.PROBLEM
    assert "telephoneNumber" in row.message
    assert "1 value was refused" in run.remark
    assert len([row for row in rows_of(run) if row.is_applied]) > 5


def test_an_account_without_the_right_is_told_so_for_each_entry(
    site: Writing, slapd: Slapd
) -> None:
    site.writer = (BIND_DN, slapd.bind_password)
    site.set(preferredLanguage="number")
    run = site.run()
    rows = rows_of(run)
    assert rows
    assert {row.status for row in rows} == {PlannedChange.Status.PROBLEM}
    assert "may not change preferredLanguage" in rows[0].message


def test_a_worker_that_dies_leaves_a_run_that_another_goes_on_with(
    site: Writing, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.set(preferredLanguage="number")
    real = directory_writing.Writer.write
    written: list[str] = []

    class Died(BaseException):
        pass

    def dying(writer: directory_writing.Writer, edit: directory_writing.Edit) -> None:
        real(writer, edit)
        written.append(edit.dn)
        if len(written) == 3:
            raise Died

    run = Run.objects.create(kind=Run.Kind.WRITE_BACK, source=site.source)
    with monkeypatch.context() as patch:
        patch.setattr(directory_writing.Writer, "write", dying)
        with pytest.raises(Died):
            runs.execute_run(run_id=run.pk)
    run.refresh_from_db()
    assert (run.state, run.phase) == (Run.State.RUNNING, Run.Phase.APPLY)
    Run.objects.filter(pk=run.pk).update(lease_until=timezone.now() - timedelta(hours=1))
    assert run.pk in runs.find_forgotten_runs()
    runs.execute_run(run_id=run.pk)
    run.refresh_from_db()
    assert run.state == Run.State.DONE
    assert all(row.is_applied for row in rows_of(run))
    assert rows_of(site.run()) == []


def test_a_run_that_writes_stops_on_request(site: Writing, monkeypatch: pytest.MonkeyPatch) -> None:
    site.set(preferredLanguage="number")
    run = Run.objects.create(kind=Run.Kind.WRITE_BACK, source=site.source)
    real = directory_writing.Writer.read

    def asked(writer: directory_writing.Writer, *given: object) -> object:
        runs.stop_run(run=run, actor=COMMAND_LINE)
        return real(writer, *given)  # type: ignore[arg-type]

    monkeypatch.setattr(
        "provisioning.services.runs.progress.time.monotonic", iter(range(10**6)).__next__
    )
    monkeypatch.setattr("provisioning.services.write_back.apply_values.SLICE", 2)
    monkeypatch.setattr(directory_writing.Writer, "read", asked)
    runs.execute_run(run_id=run.pk)
    run.refresh_from_db()
    assert run.state == Run.State.STOPPED
    assert 0 < run.applied_to < len(rows_of(run))
    applied = rows_of(run, status="planned")
    assert WrittenValue.objects.filter(value=applied[0].after[LANGUAGE]).exists()
    assert run.changes.filter(status="discarded").exists()


def test_nothing_is_written_while_pushes_are_paused(
    site: Writing, login: str, paused: None
) -> None:
    site.set(preferredLanguage="number")
    with pytest.raises(Rejected, match="paused"):
        write_back_runs.request_write_back(source=site.source, actor=COMMAND_LINE)
    assert write_back_runs.request_due() == []
    run = site.run()
    assert (run.state, site.values(login, LANGUAGE)) == (Run.State.STOPPED, [])


def test_it_is_due_at_first_once_a_day_and_when_an_account_changed(
    site: Writing, login: str
) -> None:
    assert write_back_runs.request_due() == []
    site.set(preferredLanguage="number")
    (first,) = write_back_runs.request_due()
    assert first.reading == Run.Reading.FULL
    runs.execute_run(run_id=first.pk)
    Account.objects.update(changed_at=timezone.now() - timedelta(hours=2))
    assert write_back_runs.request_due() == []
    assign_number(account=site.account(login), e164="+493012340888", actor=COMMAND_LINE)
    (second,) = write_back_runs.request_due()
    assert second.reading == Run.Reading.CHANGES
    runs.execute_run(run_id=second.pk)
    assert [row.name for row in rows_of(second)] == [str(site.person(login))]
    assert site.values(login, LANGUAGE) == ["+493012340888"]
    WriteBack.objects.update(last_full_at=timezone.now() - timedelta(hours=25))
    (third,) = write_back_runs.request_due()
    assert third.reading == Run.Reading.FULL


def test_a_run_of_changes_that_finds_none_leaves_no_trace(site: Writing) -> None:
    site.set(preferredLanguage="number")
    site.run()
    run = Run.objects.create(
        kind=Run.Kind.WRITE_BACK, source=site.source, reading=Run.Reading.CHANGES
    )
    runs.execute_run(run_id=run.pk)
    assert not Run.objects.filter(pk=run.pk).exists()


def test_what_the_sync_decides_by_is_not_written(site: Writing) -> None:
    site.rule.number_source, site.rule.number_formula = "directory", "phone"
    site.rule.save()
    for attribute, why in (
        ("telephoneNumber", "Everybody takes the number"),
        ("l", "office"),
        ("uid", "never written"),
        ("userPassword", "never written|passwords"),
    ):
        with pytest.raises(InvalidFields, match=why):
            site.set_all({attribute: "number"})
    assert not site.source.written_attributes.exists()


def test_a_circle_that_is_made_later_stops_the_next_run(site: Writing) -> None:
    site.set(telephoneNumber="number")
    site.rule.number_source, site.rule.number_formula = "directory", "phone"
    site.rule.save()
    run = site.run()
    assert run.state == Run.State.FAILED
    assert "Everybody takes the number" in run.problem
    assert rows_of(run) == []


@pytest.mark.parametrize(
    ("attribute", "why"),
    [("description", "several values"), ("jpegPhoto", "holds no text|several"),
     ("ipPhone", "not known"), ("modifyTimestamp", "kept by the directory")],
)  # fmt: skip
def test_an_attribute_that_the_schema_does_not_suit_stops_the_run(
    site: Writing, attribute: str, why: str
) -> None:
    site.set_all({attribute: "number"})
    run = site.run()
    assert run.state == Run.State.FAILED
    assert run.problem.startswith(attribute)
    assert not rows_of(run)


def test_the_password_of_the_writer_is_forgotten_when_the_source_leads_elsewhere(
    site: Writing, slapd: Slapd
) -> None:
    site.set(preferredLanguage="number")
    site.relax(percent=100)
    site.source.uris = f"{slapd.tls_uri}\nldaps://127.0.0.1:1"
    save_source(source=site.source, actor=COMMAND_LINE, secret=slapd.bind_password)
    assert WriteBack.objects.get().secret() == ""
    run = site.run()
    assert run.state == Run.State.FAILED
    assert "No password" in run.problem


def test_numbers_used_elsewhere_are_kept_from_everybody_until_they_are_gone(
    site: Writing, login: str
) -> None:
    """pager stands for the line of another telephone system."""
    site.source.elsewhere_expression = "pager"
    site.source.save()
    logins = list(site.source.people.order_by("pk").values_list("login", flat=True)[:4])
    for place, one in enumerate(logins):
        site.put(one, "pager", f"+49301234099{place}")
    site.sync()
    marked = Number.objects.filter(state="used elsewhere").order_by("e164")
    assert [each.e164 for each in marked] == [f"+49301234099{place}" for place in range(4)]
    assert marked[0].note == str(site.person(logins[0]))
    assert marked[0].used_in == site.source
    with pytest.raises(Exception, match="used elsewhere"):
        assign_number(account=site.account(login), e164="+493012340990", actor=COMMAND_LINE)
    site.put(logins[0], "pager")
    site.sync()
    assert Number.objects.get(e164="+493012340990").state == Number.State.FREE
    for one in logins:
        site.put(one, "pager")
    run = site.sync()
    assert "stay as they are" in run.remark
    assert marked.all().count() == 3
    site.set(preferredLanguage="number")
    site.source.elsewhere_expression = ""
    site.set(preferredLanguage="number")
    assert marked.all().count() == 0
