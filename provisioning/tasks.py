"""Celery tasks: an id in, one service call; what fails stays pending and the sweeper finds it."""

from __future__ import annotations

from celery import shared_task
from django.conf import settings

from provisioning.core.errors import Busy, InvalidInput
from provisioning.models import DirectorySource, SipServer
from provisioning.services.accounts import deadlines
from provisioning.services.actor import SCHEDULE
from provisioning.services.alerts import alerts, sending
from provisioning.services.clients import refused_fetches
from provisioning.services.console import guessing, retention, search_indexes
from provisioning.services.console import sweep as sweeper
from provisioning.services.directory import poll
from provisioning.services.probes import probe
from provisioning.services.push import push, reconcile
from provisioning.services.rollouts import advance
from provisioning.services.runs import runs
from provisioning.services.scim import scim_store
from provisioning.services.servers import (
    contact_lists,
    health_history,
    server_certificates,
    servers,
)
from provisioning.services.write_back import write_back_runs


@shared_task(name="provisioning.tasks.push_store")
def push_store(store_id: int) -> None:
    """Push what is pending for a store; a busy one is left to whoever has it and to the sweeper."""
    try:
        push.push_store(store_id=store_id)
    except Busy:
        return


@shared_task(name="provisioning.tasks.advance_rollout")
def advance_rollout(rollout_id: int) -> None:
    """Take the next step of a rollout; one that somebody looks after is left to them."""
    advance.advance(rollout_id=rollout_id)


@shared_task(name="provisioning.tasks.execute_run", time_limit=settings.RUN_TIME_LIMIT)
def execute_run(run_id: int) -> None:
    """Carry out a queued run; a busy one is found by the sweeper."""
    try:
        runs.execute_run(run_id=run_id)
    except Busy:
        return


@shared_task(name="provisioning.tasks.sync_source")
def sync_source(source_id: int) -> None:
    """Read everything in a source on its schedule."""
    source = DirectorySource.objects.filter(pk=source_id, enabled=True).first()
    if source is not None:
        runs.request_sync(source=source, actor=SCHEDULE)


@shared_task(name="provisioning.tasks.read_changes", time_limit=settings.RUN_TIME_LIMIT)
def read_changes(source_id: int) -> None:
    """Read what changed in a source on its schedule; what a busy one has is told again."""
    source = DirectorySource.objects.filter(pk=source_id, enabled=True).first()
    if source is None:
        return
    try:
        poll.read_changes(source=source)
    except Busy:
        return


@shared_task(name="provisioning.tasks.read_scim", time_limit=settings.RUN_TIME_LIMIT)
def read_scim(source_id: int) -> None:
    """Read what the SCIM client of a source wrote; while the source is busy, a moment later."""
    scim_store.take_wake(source_id=source_id)
    source = DirectorySource.objects.filter(pk=source_id, enabled=True).first()
    if source is None:
        return
    try:
        poll.read_changes(source=source)
    except Busy:
        scim_store.wake_again(source=source)


@shared_task(name="provisioning.tasks.write_back")
def write_back() -> None:
    """Write back to directories where values of accounts changed."""
    write_back_runs.request_due()


@shared_task(name="provisioning.tasks.sweep")
def sweep() -> None:
    """Find forgotten work."""
    sweeper.sweep()


@shared_task(name="provisioning.tasks.read_certificates")
def read_certificates() -> None:
    """Look at the certificates of all SIP servers."""
    server_certificates.read_certificates()


@shared_task(name="provisioning.tasks.check_servers")
def check_servers() -> None:
    """Ask every SIP server how it is."""
    servers.check_servers()


@shared_task(name="provisioning.tasks.check_server")
def check_server(server_id: int) -> None:
    """Ask one SIP server how it is."""
    server = SipServer.objects.filter(pk=server_id, enabled=True).first()
    if server is not None:
        servers.check_server_health(server=server)


@shared_task(name="provisioning.tasks.probe_servers")
def probe_servers() -> None:
    """Have the SIP servers tried whose turn it is, each by a worker of its own."""
    probe.request_due()


@shared_task(name="provisioning.tasks.probe_server")
def probe_server(server_id: int) -> None:
    """Try what a SIP server does; one that is being probed, or cannot be, is left alone."""
    server = SipServer.objects.filter(pk=server_id).select_related("store", "pool").first()
    if server is None:
        return
    try:
        probe.probe_server(server=server)
    except (Busy, InvalidInput):
        return


@shared_task(name="provisioning.tasks.read_registrations")
def read_registrations() -> None:
    """Have the live registrations of every store read, each by a worker of its own."""
    contact_lists.read_all()


@shared_task(name="provisioning.tasks.read_contacts")
def read_contacts(store_id: int) -> None:
    """Read the live registrations of a store; one that is being read already is left alone."""
    try:
        contact_lists.read_contacts(store_id=store_id)
    except Busy:
        return


@shared_task(name="provisioning.tasks.look_for_alerts")
def look_for_alerts() -> None:
    """Bring alerts to what is wrong now, and tell whoever asked for it."""
    alerts.look()
    sending.send_messages()


@shared_task(name="provisioning.tasks.send_alerts")
def send_alerts() -> None:
    """Send what channels are to be told."""
    sending.send_messages()


@shared_task(name="provisioning.tasks.keep_deadlines")
def keep_deadlines() -> None:
    """End pins, leave, accounts, grace, old SIP URIs and quarantine that are due."""
    deadlines.keep_deadlines()


@shared_task(name="provisioning.tasks.forget_old")
def forget_old() -> None:
    """Forget old runs and pushes, deletions of SCIM clients, and counts of wrong secrets."""
    retention.forget_old_runs()
    retention.forget_old_pushes()
    retention.forget_old_rollouts()
    health_history.forget_old()
    alerts.forget_old()
    sending.forget_old()
    scim_store.forget_deleted()
    guessing.forget_counts()
    refused_fetches.forget_refused()


@shared_task(name="provisioning.tasks.index_search", time_limit=settings.RUN_TIME_LIMIT)
def index_search() -> None:
    """Make the search indexes that are worth it by now."""
    search_indexes.index_search()


@shared_task(name="provisioning.tasks.reconcile_stores", time_limit=settings.RUN_TIME_LIMIT)
def reconcile_stores() -> None:
    """Look for drift at the stores whose turn it is."""
    reconcile.reconcile_due()
