"""The pushes that are measured, through the services that workers call; prints their figures.

Import it where Django is set up.
"""

from __future__ import annotations

import json
import os
import resource
import time
from collections.abc import Callable, Sequence
from typing import Any

from django.db import transaction

from bench.processor import processor_seconds
from provisioning.models import Account, ConfigStore, PendingChange, ServerPool, SipServer
from provisioning.services.accounts.credentials import rotate_credential
from provisioning.services.actor import COMMAND_LINE
from provisioning.services.push import outbox
from provisioning.services.push.push import push_store
from provisioning.services.push.reconcile import reconcile

_LONGEST_WAIT = 30.0


def prepare(place: dict[str, Any], password: str) -> None:
    """One store, at Kamailio's database, to which nothing was pushed yet; no server reloads."""
    SipServer.objects.all().delete()
    ConfigStore.objects.all().delete()
    store = ConfigStore.objects.create(
        name="Frankfurt", pool=ServerPool.objects.get(), mode=ConfigStore.Mode.MANAGE, **place
    )
    store.set_secret(password)
    store.save()


def push_everything(work: Sequence[int] = ()) -> None:
    """Mark every row and push until nothing is left; prints seconds, rows and peak memory.

    Seconds of the clock, and of a processor: of this process and of those in `work`.
    """
    store = ConfigStore.objects.get()
    with transaction.atomic():
        outbox.mark_store(store)

    def push() -> int:
        changed = 0
        while outbox.pending(store_id=store.pk).exists():
            report = push_store(store_id=store.pk)
            assert not report.problem, report.problem
            changed += report.changed
        return changed

    figures = _timed(push, work)
    assert not PendingChange.objects.exists()
    figures["peak_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps(figures))


def look(work: Sequence[int], *, everything: bool) -> None:
    """Look for drift at every row, or as the schedule does; prints the same.

    What the schedule does is measured when it is done again, as by a worker, which lives long.
    """

    def find() -> int:
        report = reconcile(store=ConfigStore.objects.get(), everything=everything)
        assert not report.problem, report.problem
        return report.total

    if not everything:
        find()
    print(json.dumps(_timed(find, work)))


def _timed(act: Callable[[], int], work: Sequence[int]) -> dict[str, float]:
    processes = [os.getpid(), *work]
    began, spent = time.perf_counter(), processor_seconds(processes)
    changed = act()
    return {
        "changed": changed,
        "seconds": time.perf_counter() - began,
        "cpu": processor_seconds(processes) - spent,
    }


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
