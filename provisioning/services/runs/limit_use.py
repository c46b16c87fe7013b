"""What counts towards the limits in 24 hours, by runs and by hand; holding changes by hand to them.

A run holds what passes a limit (check_limits.py); somebody who changes many accounts at once is
refused, or confirms as one who may approve.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from typing import NamedTuple

from django.db.models import Count, Q
from django.utils import timezone

from provisioning.core.errors import UnsafePlan
from provisioning.core.limits import Category, Limit, find_breaches
from provisioning.core.roles import Capability
from provisioning.core.states import MEANINGS
from provisioning.models import Account, ConfigStore, LimitUse, PlannedChange, Run, SipDomain
from provisioning.services import bulk
from provisioning.services.actor import Actor
from provisioning.services.bulk import among_numbers
from provisioning.services.runs.plan import APPLIED, replaced_by

_DAY = timedelta(hours=24)
_USABLE = [state.value for state, meaning in MEANINGS.items() if meaning.usable]


class AtRisk(NamedTuple):
    """An account that loses or changes something, and where it is."""

    account_id: int
    domain_id: int
    pool_id: int


def planned_before(*, run: Run | None, column: str, scope_id: int) -> Counter[Category]:
    """People at risk by other runs of the last 24 hours than `run`, by category.

    A waiting run that `run` replaces does not count, nor does what an administrator approved: it
    was held once, so it has a message.
    """
    statuses = PlannedChange.Status
    waiting = Q(status=statuses.HELD, run__dry=False)
    if run is not None:
        waiting &= ~Q(run__in=replaced_by(run))
    rows = PlannedChange.objects.filter(
        (APPLIED & Q(message="")) | waiting,
        **{column: scope_id},
        at__gte=timezone.now() - _DAY,
    ).exclude(category__in=["", Category.MEMBERSHIP])
    if run is not None:
        rows = rows.exclude(run=run)
    counted = rows.values("category").annotate(people=Count("subject", distinct=True))
    return Counter({Category(row["category"]): row["people"] for row in counted})


def by_hand_before(*, column: str, scope_id: int, but: Sequence[int] = ()) -> Counter[Category]:
    """Accounts that administrators put at risk in the last 24 hours, by category.

    Each once, however often it was changed; those of `but` are left out.
    """
    if column == "source_id":
        return Counter()
    rows = LimitUse.objects.filter(at__gte=timezone.now() - _DAY, **{column: scope_id})
    if but:
        rows = rows.exclude(account__in=among_numbers(but))
    counted = rows.values("category").annotate(accounts=Count("account", distinct=True))
    return Counter({Category(row["category"]): row["accounts"] for row in counted})


def find_passed(*, category: Category, at_risk: Sequence[AtRisk]) -> tuple[str, ...]:
    """The limits of SIP domains and stores that a change by hand passes, in words.

    On top of what the last 24 hours had. Until the end of the caller's transaction nobody else
    counts against the same limits.
    """
    ids = [each.account_id for each in at_risk]
    domains = Counter(each.domain_id for each in at_risk)
    pools = Counter(each.pool_id for each in at_risk)
    return tuple(
        str(breach)
        for label, limit, column, scope_id, population in _scopes(domains, pools)
        for breach in find_breaches(
            scope=label,
            limit=limit,
            population=population,
            planned={category: (domains if column == "domain_id" else pools)[scope_id]},
            earlier=planned_before(run=None, column=column, scope_id=scope_id)
            + by_hand_before(column=column, scope_id=scope_id, but=ids),
        )
    )


def check_approval(passed: Sequence[str], actor: Actor, *, approved: bool) -> None:
    """Raise UnsafePlan where limits are passed, unless somebody who may approve says `approved`."""
    if not passed or (approved and (actor.user is None or actor.user.may(Capability.APPROVE))):
        return
    raise UnsafePlan(
        f"{' '.join(passed)} Nothing was changed. Change fewer at a time, or let somebody who may "
        "approve confirm it."
    )


def use_limits(
    *, category: Category, at_risk: Sequence[AtRisk], actor: Actor, approved: bool
) -> None:
    """Hold a change by hand to the limits and count it, in the caller's transaction.

    Raises UnsafePlan as `check_approval` does.
    """
    passed = find_passed(category=category, at_risk=at_risk)
    check_approval(passed, actor, approved=approved)
    if not passed:
        note_use(category=category, at_risk=at_risk)


def note_use(*, category: Category, at_risk: Sequence[AtRisk]) -> None:
    """Count accounts that were put at risk within the limits, in the caller's transaction."""
    now = timezone.now()
    LimitUse.objects.filter(at__lt=now - _DAY).delete()
    columns = ("account_id", "category", "domain_id", "pool_id", "at")
    stored = bulk.moment(now)
    rows = [(each.account_id, category.value, *each[1:], stored) for each in at_risk]
    if rows:
        bulk.insert_rows(LimitUse._meta.db_table, columns, rows)


def _scopes(
    domains: Mapping[int, int], pools: Mapping[int, int]
) -> Iterator[tuple[str, Limit, str, int, int]]:
    """Label, limit, column, id and population of each SIP domain and store that has a limit."""
    usable = Account.objects.filter(state__in=_USABLE)
    locked = SipDomain.objects.select_for_update(no_key=True).filter(pk__in=domains)
    for domain in locked.order_by("pk"):
        count = usable.filter(domain=domain).count()
        yield f"SIP domain {domain}", domain.limit(), "domain_id", domain.pk, count
    stores = ConfigStore.objects.select_for_update(no_key=True).filter(pool__in=pools)
    for store in stores.order_by("pk"):
        count = usable.filter(pool=store.pool_id).count()
        yield f"Store {store}", store.limit(), "pool_id", store.pool_id, count
