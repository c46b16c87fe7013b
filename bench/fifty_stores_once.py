"""Accounts at many stores, and changes to all of them; import it where Django is set up."""

from __future__ import annotations

import json
import time
from typing import Any

from django.db import transaction

from provisioning.core.account import new_secret
from provisioning.drivers.base import Kind
from provisioning.models import (
    Account,
    ConfigStore,
    Credential,
    PendingChange,
    ServerPool,
    SipServer,
)
from provisioning.services.push import outbox
from provisioning.services.push.push import push_store

_LONGEST_WAIT = 300.0


def prepare(places: list[dict[str, Any]], password: str) -> None:
    """A pool and a store for each place, the accounts spread over them, all pushed."""
    SipServer.objects.all().delete()
    ConfigStore.objects.all().delete()
    for n, place in enumerate(places):
        pool = ServerPool.objects.create(name=f"pool {n}")
        store = ConfigStore.objects.create(
            name=f"store {n}", pool=pool, mode=ConfigStore.Mode.MANAGE, **place
        )
        store.set_secret(password)
        store.save()
        chosen = [
            pk for pk in Account.objects.values_list("pk", flat=True) if pk % len(places) == n
        ]
        Account.objects.filter(pk__in=chosen).update(pool=pool)
    for store in ConfigStore.objects.all():
        outbox.mark_store(store)
        report = push_store(store_id=store.pk)
        assert not report.problem, report.problem
        assert not report.left, report


def change(*, others_only: bool = False) -> None:
    """New credentials for all, in one transaction; prints the seconds until workers pushed them.

    `all`, and `others`: without the first store, for which nobody waits with `others_only`.
    """
    first = ConfigStore.objects.order_by("pk")[0]
    credentials = list(Credential.objects.select_related("account"))
    for credential in credentials:
        credential.set_secret(new_secret())
    with transaction.atomic():
        Credential.objects.bulk_update(credentials, ["sealed_secret"])
        # As a run does with what it applies.
        keys = [credential.account.aor for credential in credentials]
        for start in range(0, len(keys), outbox.BULK):
            chunk = keys[start : start + outbox.BULK]
            outbox.mark_concerned(kind=Kind.SUBSCRIBER, keys=chunk)
    began, told = time.perf_counter(), {}
    pending = PendingChange.objects.all()
    last = "others" if others_only else "all"
    while last not in told:
        passed = time.perf_counter() - began
        assert passed < _LONGEST_WAIT, "the workers do not get done"
        if "others" not in told and not pending.exclude(store=first).exists():
            told["others"] = passed
        if not pending.exists():
            told["all"] = passed
        time.sleep(0.01)
    print(json.dumps({"others": told.get("all"), **told}))
