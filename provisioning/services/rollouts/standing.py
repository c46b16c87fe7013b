"""How rollouts stand: what waits for somebody, what each holds back, what it would change."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby

from django.db.models import Exists, F, OuterRef, Q, QuerySet

from provisioning.core.settings.catalogue import CATALOGUE
from provisioning.core.settings.setting import Setting
from provisioning.drivers.base import Kind
from provisioning.models import Drift, PendingChange, Rollout
from provisioning.services.push.desired import page_of
from provisioning.services.push.reconcile import Field, find_differences, values_of
from provisioning.services.servers.driver_access import open_store

State = Rollout.State
# So many of the things that a rollout changes are looked at.
SHOWN = 50


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that a rollout changes: `fields` are its name, what is wanted and what is there."""

    kind: Kind
    key: str
    what: str
    fields: tuple[Field, ...]

    @property
    def label(self) -> str:
        """What pages call it; empty where that is its key."""
        if self.kind not in (Kind.SETTING, Kind.PREFERENCE):
            return ""
        setting = CATALOGUE.get(self.key.partition("/")[0].rpartition(":")[2])
        return setting.label if setting else ""


_WHAT = {
    Drift.Problem.MISSING: "is created",
    Drift.Problem.CHANGED: "is changed",
    Drift.Problem.EXTRA: "is deleted",
    Drift.Problem.FOREIGN: "is somebody else's and stays",
}


def held_by(rollout: Rollout) -> QuerySet[PendingChange]:
    """What is still to be done of a rollout: held back, on its way, or refused."""
    return PendingChange.objects.filter(stage__rollout=rollout)


def holding_back(setting: Setting) -> QuerySet[Rollout]:
    """Rollouts because of which the value of a setting is not at every server."""
    at_one = Q(key=setting.key) | Q(key__endswith=f":{setting.key}")
    held = PendingChange.objects.filter(at_one, kind=Kind.SETTING, stage__isnull=False)
    rollouts = Rollout.objects.filter(pk__in=held.values("stage__rollout"))
    return rollouts.select_related("pool").order_by("pk")


def undecided() -> QuerySet[Rollout]:
    """Rollouts that somebody has to decide on, oldest first."""
    left = Exists(PendingChange.objects.filter(stage__rollout=OuterRef("pk")))
    asked = Q(asked=True) | Q(pool__needs_approval=True)
    unapproved = Q(approved_digest="") | ~Q(approved_digest=F("digest"))
    return Rollout.objects.filter(
        Q(state__in=(State.PAUSED, State.ROLLING_BACK))
        | (Q(state=State.ROLLED_BACK) & left)
        | (Q(state=State.WAITING) & asked & unapproved)
    ).order_by("pk")


def changes_of(rollout: Rollout) -> tuple[list[Change], int]:
    """What it changes at the first store that it has not written yet, and how many keys there are.

    The store is asked what stands there; raises Unreachable or Rejected where it cannot be.
    """
    left = held_by(rollout).select_related("store")
    first = left.order_by("stage__ordinal", "store__name").first()
    if first is None:
        return [], 0
    rows = held_by(rollout).filter(store=first.store).order_by("kind", "key")
    keys = list(rows.values_list("kind", "key")[:SHOWN])
    found: list[Change] = []
    with open_store(first.store) as driver:
        for kind, group in groupby(keys, key=lambda each: Kind(each[0])):
            named = [key for _, key in group]
            if PendingChange.ALL in named:
                found.append(Change(kind, "everything", "is compared", ()))
                continue
            page = page_of(store=first.store, kind=kind, keys=named)
            for each in find_differences(first.store, driver, kind, page):
                fields = tuple(values_of(each.missing)) if each.missing else each.fields
                found.append(Change(kind, each.key, _WHAT[each.problem], fields))
    return found, rows.count()
