"""Rotation of the keys that seal stored secrets."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from django.db import models, transaction

from provisioning.models import (
    AlertChannel,
    ConfigStore,
    Credential,
    DirectorySource,
    RowImages,
    SipServer,
    WriteBack,
)
from provisioning.models.fields import keyring
from provisioning.services.actor import Actor
from provisioning.services.console import audit

_BATCH = 500


@dataclass(frozen=True, slots=True)
class _Sealed:
    """A model with a sealed column, and where the secret of a row belongs."""

    model: type[models.Model]
    column: str
    place: Callable[[models.Model], str]
    batch: int = _BATCH


def _place_of_row(name: str) -> Callable[[models.Model], str]:
    return lambda row: f"{type(row).__name__}:{row.pk}:{name}"


_SEALED = (
    _Sealed(DirectorySource, "sealed_bind_secret", _place_of_row("bind_secret")),
    _Sealed(WriteBack, "sealed_secret", _place_of_row("secret")),
    _Sealed(ConfigStore, "sealed_secret", _place_of_row("secret")),
    _Sealed(SipServer, "sealed_rpc_secret", _place_of_row("rpc_secret")),
    _Sealed(AlertChannel, "sealed_secret", _place_of_row("secret")),
    _Sealed(Credential, "sealed_secret", lambda row: Credential.place(row.uid)),  # type: ignore[attr-defined]
    _Sealed(Credential, "sealed_import", lambda row: Credential.place_of_import(row.uid)),  # type: ignore[attr-defined]
    # One holds up to 10,000 rows.
    _Sealed(RowImages, "sealed", lambda row: RowImages.place(row.record_id, row.kind), 1),  # type: ignore[attr-defined]
)


def reseal_secrets(*, actor: Actor) -> int:
    """Seal every stored secret with the first key of settings.SEALING_KEYS; how many had another.

    Safe to stop and to call again: each batch is a transaction of its own. Raises SealBroken, with
    nothing of that batch changed, when a key is missing. Afterwards older keys can be removed.
    """
    count = sum(_reseal(each) for each in _SEALED)
    if count:
        audit.record(actor=actor, action="rotated keys", detail={"secrets": count})
    return count


def _reseal(sealed: _Sealed) -> int:
    rows = sealed.model._default_manager.exclude(**{f"{sealed.column}__isnull": True})
    count, last = 0, 0
    while True:
        with transaction.atomic():
            locked = rows.select_for_update().filter(pk__gt=last).order_by("pk")
            batch = list(locked[: sealed.batch])
            if not batch:
                return count
            last = batch[-1].pk
            old = [row for row in batch if not keyring().is_current(_value(row, sealed))]
            for row in old:
                place = sealed.place(row)
                secret = keyring().open(_value(row, sealed), place)
                setattr(row, sealed.column, keyring().seal(secret, place))
            sealed.model._default_manager.bulk_update(old, [sealed.column])
            count += len(old)


def _value(row: models.Model, sealed: _Sealed) -> bytes:
    return bytes(getattr(row, sealed.column))
