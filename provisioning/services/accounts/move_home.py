"""Moving many accounts to another home pool: looked at first, within the limits, all or none."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from django.db import transaction
from django.db.models import F, QuerySet
from django.utils import timezone

from provisioning.core.errors import InvalidFields, InvalidInput, StalePlan
from provisioning.core.limits import Category
from provisioning.core.states import State
from provisioning.drivers.base import Kind
from provisioning.models import (
    Account,
    ConfigStore,
    PendingChange,
    Pin,
    ServerPool,
)
from provisioning.services import bulk
from provisioning.services.accounts.pins import checked_reason
from provisioning.services.accounts.standing import mark
from provisioning.services.actor import Actor
from provisioning.services.bulk import among_numbers
from provisioning.services.console import audit
from provisioning.services.push import outbox
from provisioning.services.runs.limit_use import AtRisk, check_approval, find_passed, note_use
from provisioning.services.servers.homes import find_refused

# The write lock is held for about a second of a processor at this size.
MOST_AT_ONCE = 10_000
_COLUMNS = ("id", "name", "aor", "state", "person_id", "domain_id", "user_part", "pool_id")


@dataclass(frozen=True, slots=True)
class Refusal:
    """Accounts that stay where they are, and why; each with its name and address-of-record."""

    reason: str
    accounts: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class HomeMove:
    """What moving accounts to `pool` does.

    `there` are at home there already; `leaving` counts the others by the name of the pool that they
    leave, `repinned` those of them that are pinned to a pool now. `seen` stands for exactly this.
    """

    pool: ServerPool
    moving: tuple[tuple[str, str], ...]
    there: int
    leaving: Mapping[str, int]
    repinned: int
    refused: tuple[Refusal, ...]
    breaches: tuple[str, ...]
    unserved: bool
    seen: str


def move_home(
    *,
    accounts: QuerySet[Account],
    pool: ServerPool,
    reason: str,
    actor: Actor,
    ends_on: date | None = None,
    approved: bool = False,
    seen: str | None = None,
    dry: bool = False,
) -> HomeMove:
    """Give `accounts` the home pool `pool`; of people as a pin, until the end of `ends_on`.

    Who cannot move stays, and is told. Raises InvalidInput, StalePlan where it is not what was
    `seen`, UnsafePlan where a limit is passed and nobody who may approve says `approved`; nothing
    is changed then. With `dry` nothing is kept, and passed limits are only told.
    """
    reason = reason if dry and not reason else checked_reason(reason)
    if ends_on is not None and ends_on < timezone.localdate():
        raise InvalidFields({"ends_on": "The end date has passed. Nothing was changed."})
    with transaction.atomic():
        chosen = _lock(accounts)
        moving, refused = _sort_out([each for each in chosen if each.pool_id != pool.pk],
                                    pool, ends_on)  # fmt: skip
        ids = [account.pk for account in moving]
        at_risk = [AtRisk(each.pk, each.domain_id, each.pool_id) for each in moving]
        move = HomeMove(
            pool=pool,
            moving=_named(moving),
            there=sum(each.pool_id == pool.pk for each in chosen),
            leaving=_leaving(moving),
            repinned=Pin.objects.filter(
                account__in=among_numbers(ids), field=Pin.Field.POOL
            ).count(),
            refused=refused,
            breaches=find_passed(category=Category.POOL, at_risk=at_risk),
            unserved=not ConfigStore.objects.filter(
                pool=pool, mode=ConfigStore.Mode.MANAGE
            ).exists(),
            seen=_digest(ids, pool, ends_on),
        )
        if dry:
            return move
        if seen is not None and seen != move.seen:
            raise StalePlan("What would move is not what was shown any more. Nothing was changed.")
        if not moving:
            raise InvalidInput("None of these accounts can move there. Nothing was changed.")
        check_approval(move.breaches, actor, approved=approved)
        _keep(moving, pool, reason, ends_on, actor)
        if not move.breaches:
            note_use(category=Category.POOL, at_risk=at_risk)
    return move


def _lock(accounts: QuerySet[Account]) -> list[Account]:
    chosen = list(
        Account.objects.select_for_update()
        .filter(pk__in=accounts.order_by().values("pk"))
        .only(*_COLUMNS)
        .order_by("pk")[: MOST_AT_ONCE + 1]
    )
    if not chosen:
        raise InvalidInput("There is no such account. Nothing was changed.")
    if len(chosen) > MOST_AT_ONCE:
        raise InvalidInput(
            f"More than {MOST_AT_ONCE:,} accounts are too many at once. Nothing was changed. "
            "Narrow the filter."
        )
    return chosen


def _sort_out(
    accounts: Sequence[Account], pool: ServerPool, ends_on: date | None
) -> tuple[list[Account], tuple[Refusal, ...]]:
    """Who moves, and who does not, by reason."""
    unfit = find_refused(pool=pool, account_ids=[account.pk for account in accounts])
    moving: list[Account] = []
    refused: dict[str, list[Account]] = {}
    for account in accounts:
        reason = unfit.get(account.pk, "")
        if account.state == State.REMOVED:
            reason = "It was removed."
        elif ends_on is not None and account.person_id is None:
            reason = "No account rule takes it back when the day comes: move it without an end."
        if reason:
            refused.setdefault(reason, []).append(account)
        else:
            moving.append(account)
    return moving, tuple(Refusal(reason, _named(those)) for reason, those in refused.items())


def _keep(
    moving: Sequence[Account], pool: ServerPool, reason: str, ends_on: date | None, actor: Actor
) -> None:
    now = timezone.now()
    pinned = [account.pk for account in moving if account.person_id is not None]
    bulk.merge_rows(
        Pin._meta.db_table,
        ("account_id", "field", "value", "reason", "ends_on", "by_id", "run_id", "created_at"),
        [
            (
                pk, Pin.Field.POOL.value, str(pool.pk), reason,
                ends_on.isoformat() if ends_on else None,
                actor.user.pk if actor.user else None, None, bulk.moment(now),
            )
            for pk in pinned
        ],
        key=("account_id", "field"),
        changed=("value", "reason", "ends_on", "by_id", "run_id", "created_at"),
    )  # fmt: skip
    ids = [account.pk for account in moving]
    Account.objects.filter(pk__in=among_numbers(ids)).update(
        pool=pool, version=F("version") + 1, changed_at=now
    )
    names = _pool_names({account.pool_id for account in moving})
    facts = {"reason": reason} | ({"until": ends_on.isoformat()} if ends_on else {})
    audit.record_each(
        actor=actor,
        action="moved",
        events=[
            (account, {"home pool": [names[account.pool_id], pool.name], **facts})
            for account in moving
        ],
    )
    if len(moving) > outbox.BULK:
        for kind in (Kind.SUBSCRIBER, Kind.ALIAS):
            outbox.mark_concerned(kind=kind, keys=[PendingChange.ALL])
    else:
        mark(moving)


def _named(accounts: Sequence[Account]) -> tuple[tuple[str, str], ...]:
    return tuple((account.name, account.aor) for account in accounts)


def _leaving(moving: Sequence[Account]) -> dict[str, int]:
    counted = Counter(account.pool_id for account in moving)
    names = _pool_names(counted)
    return {names[pool_id]: count for pool_id, count in counted.most_common()}


def _pool_names(ids: Collection[int]) -> dict[int, str]:
    return dict(ServerPool.objects.filter(pk__in=ids).values_list("pk", "name"))


def _digest(ids: Sequence[int], pool: ServerPool, ends_on: date | None) -> str:
    text = f"{pool.pk} {ends_on} {' '.join(map(str, ids))}"
    return hashlib.sha256(text.encode()).hexdigest()
