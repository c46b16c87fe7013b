"""Checking a plan against the limits of its source, SIP domains and stores, and holding what passes them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from django.db.models import Count, Q
from django.utils import timezone

from provisioning.core.limits import Breach, Category, find_breaches
from provisioning.core.states import MEANINGS
from provisioning.models import (
    Account,
    ConfigStore,
    DirectorySource,
    Person,
    PlannedChange,
    Run,
    SipDomain,
)
from provisioning.services import bulk
from provisioning.services.plan import TABLE, Tally

_USABLE = [state.value for state, meaning in MEANINGS.items() if meaning.usable]
_HOLD = f"""
UPDATE {TABLE} SET status = 'held', message = %s WHERE run_id = %s AND status = 'planned' AND kind <> 'group'
  AND subject IN (SELECT subject FROM {TABLE} WHERE run_id = %s AND status = 'planned' AND category = %s
                  AND kind <> 'group' {{scope}})
"""  # noqa: S608


def hold_breaches(*, run: Run, tally: Tally) -> list[Breach]:
    """Hold every change of the people behind a passed limit; the rest of the plan proceeds.

    Counted are the last 24 hours: waiting and applied changes of other runs, and this plan. What an
    administrator approved is not counted again.
    """
    breaches: list[Breach] = []
    if run.source is not None:
        found = _check_source(run, run.source, tally)
        _hold(run, found, "", ())
        breaches += found
    for domain in SipDomain.objects.filter(pk__in=list(tally.by_domain)):
        population = Account.objects.filter(domain=domain, state__in=_USABLE).count()
        found = find_breaches(
            scope=f"SIP domain {domain}", limit=domain.limit(), population=population,
            planned=_sizes(tally.by_domain[domain.pk]), earlier=_earlier(run, Q(domain_id=domain.pk)),
        )  # fmt: skip
        _hold(run, found, "AND domain_id = %s", (domain.pk,))
        breaches += found
    for store in ConfigStore.objects.filter(pool_id__in=list(tally.by_pool)):
        population = Account.objects.filter(pool_id=store.pool_id, state__in=_USABLE).count()
        found = find_breaches(
            scope=f"Store {store}", limit=store.limit(), population=population,
            planned=_sizes(tally.by_pool[store.pool_id]), earlier=_earlier(run, Q(pool_id=store.pool_id)),
        )  # fmt: skip
        _hold(run, found, "AND pool_id = %s", (store.pool_id,))
        breaches += found
    return breaches


def _check_source(run: Run, source: DirectorySource, tally: Tally) -> list[Breach]:
    population = Person.objects.filter(source=source, left_at__isnull=True, disabled=False).count()
    return find_breaches(
        scope=f"Source {source}", limit=source.limit(), population=population,
        planned=_sizes(tally.overall), earlier=_earlier(run, Q(source_id=source.pk)),
    )  # fmt: skip


def _sizes(subjects: Mapping[Category, set[str]]) -> dict[Category, int]:
    return {
        category: len(found)
        for category, found in subjects.items()
        if category is not Category.MEMBERSHIP
    }


def _earlier(run: Run, scope: Q) -> dict[Category, int]:
    """People at risk in other runs of the last 24 hours; a waiting run that this one replaces does not count."""
    replaced = Run.objects.filter(kind=run.kind, source=run.source, state=Run.State.WAITING)
    rows = (
        PlannedChange.objects.filter(
            scope,
            at__gte=timezone.now() - timedelta(hours=24),
            status__in=[PlannedChange.Status.APPLIED, PlannedChange.Status.HELD],
            run__approved_at__isnull=True,
        )
        .exclude(category__in=["", Category.MEMBERSHIP])
        .exclude(run=run)
        .exclude(run__in=replaced, status=PlannedChange.Status.HELD)
    )
    counted = rows.values("category").annotate(people=Count("subject", distinct=True))
    return {Category(row["category"]): row["people"] for row in counted}


def _hold(run: Run, breaches: Sequence[Breach], scope: str, parameters: tuple[Any, ...]) -> None:
    for breach in breaches:
        bulk.execute(
            _HOLD.format(scope=scope),
            [str(breach), run.pk, run.pk, breach.category.value, *parameters],
        )
