"""The differences that are kept: which of them count, which a full pass leaves alone."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence

from django.db.models import Q, QuerySet
from django.utils import timezone

from provisioning.drivers.base import Kind, Row, SubscriberRow
from provisioning.models import ConfigStore, Drift, OwnedRow
from provisioning.services.bulk import among
from provisioning.services.push.desired import fingerprint


def ignored() -> Q:
    """Matches what somebody chose not to look at for now."""
    return Q(ignored_until__gte=timezone.localdate())


def open_drift(*, store: ConfigStore | None = None) -> QuerySet[Drift]:
    """What counts, of one store or of all."""
    rows = Drift.objects.exclude(ignored())
    return rows if store is None else rows.filter(store=store)


def recount(store: ConfigStore) -> int:
    """Keep at the store how many differences count; returns them."""
    store.drift_count = open_drift(store=store).count()
    ConfigStore.objects.filter(pk=store.pk).update(drift_count=store.drift_count)
    return store.drift_count


def forget(*, store: ConfigStore, kind: Kind, keys: Sequence[str]) -> None:
    """What was written just now differs no more, whoever had ignored it."""
    if Drift.objects.filter(store=store, kind=kind, key__in=among(keys)).delete()[0]:
        recount(store)


def has_drift(store: ConfigStore) -> bool:
    """Whether anything is kept of the store, ignored or not."""
    return Drift.objects.filter(store=store).exists()


def left_alone(
    *,
    store: ConfigStore,
    kind: Kind,
    rows: Mapping[str, Row],
    others: Mapping[str, Row | None],
    leftover: Mapping[str, Row],
    doubt: Container[tuple[Kind, str]],
) -> set[str]:
    """The keys that a full pass leaves to somebody, of those that differ.

    That is what is ignored for now; and, where the store waits for a person, what the console had
    written as it is wanted still, so that somebody else changed or deleted it. Who may not register
    is locked out at once all the same. Of what is in `doubt` nobody knows whether it was written.
    """
    ignores = Drift.objects.filter(ignored(), store=store, kind=kind)
    keys = [*others, *leftover]
    held: set[str] = set()
    if keys and ignores.exists():
        held = set(ignores.filter(key__in=among(keys)).values_list("key", flat=True))
    # Before the first push has ended nobody can have changed anything.
    if store.repairs_drift or store.last_push_at is None or not others:
        return held
    written = OwnedRow.objects.filter(store=store, kind=kind, key__in=among(others))
    for key, content in written.exclude(content="").values_list("key", "content"):
        row = rows[key]
        locks = isinstance(row, SubscriberRow) and row.ha1 is None
        if not locks and (kind, key) not in doubt and content == fingerprint(row):
            held.add(key)
    return held
