"""Old runs are forgotten: uneventful ones after a day, others after ninety, waiting ones never."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from provisioning.models import DirectorySource, PlannedChange, Run
from provisioning.services.console.retention import forget_old_runs
from tests.factories import make_source

pytestmark = [pytest.mark.django_db, pytest.mark.database]


def make_run(source: DirectorySource, *, days: int, state: str = "done", changes: int = 0) -> Run:
    over = timezone.now() - timedelta(days=days, hours=1)
    run = Run.objects.create(kind=Run.Kind.SYNC, source=source, state=state, finished_at=over)
    for ordinal in range(1, changes + 1):
        PlannedChange.objects.create(
            run=run, source_id=source.pk, ordinal=ordinal, kind="person", key="k", subject="k",
            name="Ann", action="update", status="applied", at=over,
        )  # fmt: skip
    return run


def test_a_run_without_changes_is_forgotten_after_a_day() -> None:
    source = make_source()
    make_run(source, days=1)
    kept = make_run(source, days=0)

    assert forget_old_runs() == 1
    assert list(Run.objects.all()) == [kept]


def test_a_run_with_changes_is_kept_for_ninety_days() -> None:
    source = make_source()
    make_run(source, days=90, changes=3)
    kept = make_run(source, days=89, changes=3)

    assert forget_old_runs() == 1
    assert list(Run.objects.all()) == [kept]
    assert PlannedChange.objects.count() == 3


def test_a_run_that_waits_for_approval_is_never_forgotten() -> None:
    make_run(make_source(), days=365, state="waiting", changes=1)

    assert forget_old_runs() == 0
    assert Run.objects.count() == 1
