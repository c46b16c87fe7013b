"""Writing behind: what is written is seen, in its order, and what fails is told."""

from __future__ import annotations

from functools import partial
from threading import Event

import pytest
from django.db import IntegrityError, transaction

from provisioning.models import PlannedChange, Run, ServerPool
from provisioning.services.runs import plan as plans
from provisioning.services.runs.behind import Behind
from provisioning.services.runs.plan import PlanWriter
from tests.factories import make_pool

pytestmark = [pytest.mark.database, pytest.mark.django_db(transaction=True)]


def _insert(name: str) -> None:
    ServerPool.objects.create(name=name)


def _write(writer: PlanWriter, count: int) -> None:
    for number in range(count):
        writer.add(
            source_id=1, kind="person", key=f"guid {number}", subject="", name="\\ \t “Ö”",
            action="create", after={"login": f"user\\{number}"},
        )  # fmt: skip


def test_what_was_written_behind_is_seen_after_waiting() -> None:
    behind = Behind()
    for name in ("One", "Two", "Three"):
        behind.add(partial(_insert, name))
    behind.wait()
    assert list(ServerPool.objects.order_by("id").values_list("name", flat=True)) == [
        "One", "Two", "Three",
    ]  # fmt: skip
    behind.close()


def test_an_error_is_raised_where_somebody_waits() -> None:
    make_pool("Main")
    behind = Behind()
    behind.add(partial(_insert, "Main"))
    behind.add(partial(_insert, "Never"))
    with pytest.raises(IntegrityError):
        behind.wait()
    behind.close()
    assert ServerPool.objects.count() == 1


def test_closing_waits_for_what_is_under_way_and_drops_what_was_not_begun() -> None:
    behind, began, gate = Behind(), Event(), Event()

    def insert_slowly() -> None:
        began.set()
        gate.wait(60.0)
        _insert("Begun")

    behind.add(insert_slowly)
    behind.add(partial(_insert, "Never"))
    began.wait(60.0)
    # It goes on only once the other was dropped.
    behind._open[-1].add_done_callback(lambda _: gate.set())
    behind.close()
    assert list(ServerPool.objects.values_list("name", flat=True)) == ["Begun"]


def test_a_plan_larger_than_one_batch_is_complete_after_a_flush(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(plans, "_BATCH", 7)
    run = Run.objects.create(kind=Run.Kind.SYNC)
    writer = PlanWriter(run)
    with writer.writing_behind():
        _write(writer, 50)
        writer.flush()
        assert run.changes.count() == 50
        _write(writer, 3)
    rows = run.changes.order_by("ordinal").values_list("ordinal", "name", "after__login")
    assert [row[0] for row in rows] == list(range(1, 54))
    assert {row[1] for row in rows} == {"\\ \t “Ö”"}
    assert rows[49][2] == "user\\49"


def test_a_plan_that_cannot_be_written_fails_the_one_who_plans(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(plans, "_BATCH", 7)
    run = Run.objects.create(kind=Run.Kind.SYNC)
    _write(PlanWriter(run), 7)  # takes the ordinals that the next one wants
    writer = PlanWriter(run)
    with pytest.raises(IntegrityError), writer.writing_behind():
        _write(writer, 100)
    assert run.changes.count() == 7


def test_a_plan_in_a_transaction_belongs_to_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plans, "_BATCH", 7)
    run = Run.objects.create(kind=Run.Kind.SYNC)
    writer = PlanWriter(run)
    with transaction.atomic():
        with writer.writing_behind():
            _write(writer, 50)
        assert run.changes.count() == 50
        transaction.set_rollback(True)
    assert not PlannedChange.objects.exists()
