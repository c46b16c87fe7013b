"""The pushes that are measured, through the service that workers call; prints their figures.

Import it where Django is set up.
"""

from __future__ import annotations

import json
import resource
import time
from typing import Any

from django.db import transaction

from provisioning.models import Account, ConfigStore, PendingChange, SipServer
from provisioning.services.accounts.credentials import rotate_credential
from provisioning.services.actor import COMMAND_LINE
from provisioning.services.push import outbox
from provisioning.services.push.push import push_store

_LONGEST_WAIT = 30.0


def prepare(place: dict[str, Any], password: str) -> None:
    """Point the only store at Kamailio's database; no server has to reload anything."""
    SipServer.objects.all().delete()
    store = ConfigStore.objects.get()
    for field, value in place.items():
        setattr(store, field, value)
    store.mode = ConfigStore.Mode.MANAGE
    store.set_secret(password)
    store.save()


def push_everything() -> None:
    """Mark every row and push until nothing is left; prints seconds, rows and peak memory."""
    store = ConfigStore.objects.get()
    with transaction.atomic():
        outbox.mark_store(store)
    began, changed = time.perf_counter(), 0
    while outbox.pending(store_id=store.pk).exists():
        report = push_store(store_id=store.pk, mend=True)
        assert not report.problem, report.problem
        changed += report.changed
    seconds = time.perf_counter() - began
    assert not PendingChange.objects.exists()
    megabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"seconds": seconds, "changed": changed, "peak_mb": megabytes}))


def push_single_accounts(count: int) -> None:
    """Replace credentials one by one; prints the milliseconds from each commit to read back.

    A worker of its own does the push, so its waking is part of what is measured.
    """
    milliseconds = []
    for account in Account.objects.order_by("id")[:count]:
        rotate_credential(account=account, actor=COMMAND_LINE)
        began = time.perf_counter()
        while PendingChange.objects.exists():
            assert time.perf_counter() - began < _LONGEST_WAIT, "no worker took the change"
            time.sleep(0.001)
        milliseconds.append((time.perf_counter() - began) * 1000)
    print(json.dumps(milliseconds))
