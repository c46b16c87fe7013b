"""What an administrator does about drift: take the server's value over, or leave it for a while.

Repairing is reconcile.repair_rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta

from django.db import transaction
from django.utils import timezone

from provisioning.core.errors import InvalidInput, StalePlan
from provisioning.core.sip import ImportedDigest, algorithm_of
from provisioning.core.states import State
from provisioning.drivers.base import AliasRow, Kind, Row, SubscriberRow
from provisioning.models import Account, ConfigStore, Credential, Drift, OwnedRow
from provisioning.services.accounts.pins import checked_reason
from provisioning.services.actor import Actor
from provisioning.services.console import audit
from provisioning.services.numbers.numbers import assign_number
from provisioning.services.push import drift_rows, outbox
from provisioning.services.push.desired import fingerprint
from provisioning.services.push.reconcile import repair_rows
from provisioning.services.servers.driver_access import open_store

_LONGEST = timedelta(days=365)


def may_take_over(drift: Drift) -> bool:
    """Whether the server's value can become the console's: a password, or where a number leads."""
    kinds = (Kind.SUBSCRIBER, Kind.ALIAS)
    return drift.problem == Drift.Problem.CHANGED and drift.kind in kinds


def repair(*, store: ConfigStore, drift: Sequence[Drift], actor: Actor) -> int:
    """Ask for the differences to be made as intended; how many. Rows of others stay."""
    if store.mode != ConfigStore.Mode.MANAGE:
        raise InvalidInput(f"“{store}” is only observed: nothing is written there.")
    with transaction.atomic():
        Drift.objects.filter(pk__in=[each.pk for each in drift]).update(ignored_until=None)
        count = repair_rows(store=store, keys=[(Kind(each.kind), each.key) for each in drift])
        if not count:
            raise InvalidInput(
                "Nothing can be repaired: rows of others are never changed. Adopt or remove them."
            )
        audit.record(actor=actor, action="repaired drift at", obj=store, detail={"rows": count})
        drift_rows.recount(store)
    return count


def ignore(
    *, store: ConfigStore, drift: Sequence[Drift], until: date, reason: str, actor: Actor
) -> int:
    """Leave the differences alone until a day, that included; how many."""
    reason = checked_reason(reason)
    today = timezone.localdate()
    if not today <= until <= today + _LONGEST:
        raise InvalidInput("Ignore it until a day within the next year. Nothing was changed.")
    with transaction.atomic():
        rows = Drift.objects.filter(store=store, pk__in=[each.pk for each in drift])
        count = rows.update(ignored_until=until, ignored_reason=reason, ignored_by=actor.user)
        detail = {"rows": count, "until": until.isoformat(), "reason": reason}
        audit.record(actor=actor, action="ignored drift at", obj=store, detail=detail)
        drift_rows.recount(store)
    return count


def take_over(*, store: ConfigStore, drift: Drift, actor: Actor) -> Account:
    """Make the server's value the console's; the account that has it now.

    Of an account that is the digest of its password, whose clear text nobody here knows then; of a
    number, the account that it leads to.
    """
    if not may_take_over(drift):
        raise InvalidInput(
            "Only a changed password, or where a number leads, can be taken over. Repair it, or "
            "ignore it for a while."
        )
    kind = Kind(drift.kind)
    with open_store(store) as driver:
        row = next(iter(driver.read(kind, [drift.key])), None)
    with transaction.atomic():
        account = _taken(store, row, actor)
        OwnedRow.objects.filter(store=store, kind=kind, key=drift.key).update(
            content=fingerprint(row) if row else ""
        )
        outbox.mark_concerned(kind=kind, keys=[drift.key])
        audit.record(
            actor=actor, action="took over the server's value for", obj=account,
            detail={"store": store.name, "what": drift.key},
        )  # fmt: skip
        drift_rows.forget(store=store, kind=kind, keys=[drift.key])
    return account


def _taken(store: ConfigStore, row: Row | None, actor: Actor) -> Account:
    if isinstance(row, AliasRow):
        target = _find(f"{row.user}@{row.domain}")
        if row.alias_domain != row.domain or not row.alias_user.startswith("+"):
            raise InvalidInput("It is no number of that account's SIP domain. Nothing was changed.")
        assign_number(account=target, e164=row.alias_user, actor=actor)
        return target
    if not isinstance(row, SubscriberRow):
        raise StalePlan("The row has gone meanwhile. Nothing was changed.")
    account = _find(row.key)
    credential = Credential.objects.select_for_update().filter(account=account).first()
    algorithm = store.main_algorithm
    if credential is None or row.ha1 is None or algorithm_of(row.ha1, algorithm) != algorithm:
        raise InvalidInput("What stands there is no digest of the store's. Nothing was changed.")
    ha1b = row.ha1b if row.ha1b and algorithm_of(row.ha1b, algorithm) == algorithm else ""
    digest = ImportedDigest(
        credential.auth_user, account.domain.realm, algorithm, row.ha1, ha1b, row.ha1_sha256 or ""
    )
    credential.set_import(digest)
    credential.version += 1
    credential.rotated_at = timezone.now()
    credential.save()
    return account


def _find(aor: str) -> Account:
    rows = Account.objects.exclude(state=State.REMOVED).select_related("domain")
    account = rows.filter(aor=aor).first()
    if account is None:
        raise InvalidInput(f"No account here has the SIP URI {aor}. Nothing was changed.")
    return account
