"""Checking a plan against the limits of sources, SIP domains and stores; holding what passes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from provisioning.core.limits import Breach, Category, Limit, NoHome, find_breaches
from provisioning.core.states import MEANINGS
from provisioning.models import (
    Account,
    ConfigStore,
    DirectorySource,
    Person,
    Run,
    SipDomain,
)
from provisioning.services import bulk
from provisioning.services.runs.check_homes import hold_homeless
from provisioning.services.runs.limit_use import by_hand_before, planned_before
from provisioning.services.runs.plan import TABLE, Tally
from provisioning.services.runs.together import whole_people

_JOINING = (Run.Kind.JOIN, Run.Kind.UNDO)
_CHUNK = 500
_USABLE = [state.value for state, meaning in MEANINGS.items() if meaning.usable]
# A conflict that is gone changes nothing but a text, so it never waits.
_HOLD = f"""
UPDATE {TABLE} SET status = 'held', message = %s
WHERE run_id = %s AND status = 'planned' AND kind <> 'group' AND action <> 'resolve'
  AND subject IN (
    SELECT subject FROM {TABLE} WHERE run_id = %s AND status = 'planned' AND kind <> 'group'
      AND category = %s AND {{column}} = %s)
"""  # noqa: S608


@dataclass(frozen=True, slots=True)
class _Scope:
    """What a limit protects, how many are in it, and the column and id that its changes have."""

    label: str
    limit: Limit
    population: int
    column: str
    id: int


def hold_breaches(*, run: Run, tally: Tally) -> list[Breach | NoHome]:
    """Hold every change of the people behind a passed limit; the rest of the plan proceeds.

    Counted are the last 24 hours: what waits and what was applied without approval in other runs,
    and this plan. Whom a new home pool would not serve is held before, whatever the limits say.
    """
    breaches: list[Breach | NoHome] = list(hold_homeless(run=run))
    for scope in _scopes(tally):
        subjects = tally[scope.column, scope.id]
        planned = {category: len(guids) for category, guids in subjects.items()}
        found = find_breaches(
            scope=scope.label, limit=scope.limit, population=scope.population,
            planned=planned, earlier=_earlier(run, scope),
        )  # fmt: skip
        for breach in found:
            bulk.execute(
                _HOLD.format(column=scope.column),
                [str(breach), run.pk, run.pk, breach.category.value, scope.id],
            )
        breaches += found
    if breaches and run.kind in _JOINING:
        _hold_together(run)
    return breaches


def _hold_together(run: Run) -> None:
    """What becomes of one person is held or done as a whole, though it is about several entries."""
    held = set(run.changes.filter(status="held").values_list("subject", flat=True))
    others = sorted(whole_people(run, held) - held)
    for start in range(0, len(others), _CHUNK):
        run.changes.filter(status="planned", subject__in=others[start : start + _CHUNK]).exclude(
            action="resolve"
        ).update(status="held", message="It waits with what else is planned about this person.")


def _scopes(tally: Tally) -> Iterator[_Scope]:
    at_risk: dict[str, list[int]] = {"source_id": [], "domain_id": [], "pool_id": []}
    for column, scope_id in list(tally):
        at_risk[column].append(scope_id)
    people = Person.objects.filter(left_at__isnull=True, disabled=False)
    accounts = Account.objects.filter(state__in=_USABLE)
    for source in DirectorySource.objects.filter(pk__in=at_risk["source_id"]):
        count = people.filter(source=source).count()
        yield _Scope(f"Source {source}", source.limit(), count, "source_id", source.pk)
    for domain in SipDomain.objects.filter(pk__in=at_risk["domain_id"]):
        count = accounts.filter(domain=domain).count()
        yield _Scope(f"SIP domain {domain}", domain.limit(), count, "domain_id", domain.pk)
    for store in ConfigStore.objects.filter(pool_id__in=at_risk["pool_id"]):
        count = accounts.filter(pool_id=store.pool_id).count()
        yield _Scope(f"Store {store}", store.limit(), count, "pool_id", store.pool_id)


def _earlier(run: Run, scope: _Scope) -> Mapping[Category, int]:
    """What the last 24 hours had, by other runs and by hand."""
    return planned_before(run=run, column=scope.column, scope_id=scope.id) + by_hand_before(
        column=scope.column, scope_id=scope.id
    )
