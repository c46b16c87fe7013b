"""The only place that sends Celery messages: by task name, after commit, losing nothing."""

from __future__ import annotations

import structlog
from celery import current_app
from django.db import transaction
from kombu.exceptions import OperationalError

from provisioning.models import WriteBack

log = structlog.stdlib.get_logger(__name__)


def push(*, store_id: int) -> None:
    """Wake a worker for the pending changes of a store."""
    _after_commit("provisioning.tasks.push_store", store_id)


def run(*, run_id: int) -> None:
    """Wake a worker for a queued run."""
    _after_commit("provisioning.tasks.execute_run", run_id)


def rollout(*, rollout_id: int, seconds: float = 0) -> None:
    """Wake a worker, in so many seconds, to look after a rollout."""
    _after_commit("provisioning.tasks.advance_rollout", rollout_id, seconds=seconds)


def write_back() -> None:
    """Wake a worker to write back what changed, where any source is written to."""
    if WriteBack.objects.filter(enabled=True).exists():
        _after_commit("provisioning.tasks.write_back")


def check_server(*, server_id: int) -> None:
    """Wake a worker to ask a SIP server how it is."""
    _after_commit("provisioning.tasks.check_server", server_id)


def probe_server(*, server_id: int) -> None:
    """Wake a worker to try what a SIP server does."""
    _after_commit("provisioning.tasks.probe_server", server_id)


def send_alerts() -> None:
    """Wake a worker to send what channels are to be told."""
    _after_commit("provisioning.tasks.send_alerts")


def read_contacts(*, store_id: int) -> None:
    """Wake a worker to read the live registrations of a store."""
    _after_commit("provisioning.tasks.read_contacts", store_id)


def read_scim(*, source_id: int, seconds: float) -> None:
    """Wake a worker, in so many seconds, for what the SCIM client of a source wrote."""
    _after_commit("provisioning.tasks.read_scim", source_id, seconds=seconds)


def _after_commit(task: str, *arguments: int, seconds: float = 0) -> None:
    transaction.on_commit(lambda: _send(task, arguments, seconds))


def _send(task: str, arguments: tuple[int, ...], seconds: float = 0) -> None:
    # Whatever becomes of the message: the row is in the database, and the sweeper finds it.
    try:
        current_app.send_task(task, args=arguments, expires=600, countdown=seconds or None)
    except (OperationalError, OSError) as error:
        log.warning(
            "broker unreachable, the sweeper will do it", task=task, error=type(error).__name__
        )
    except Exception:
        # Each broker's library has errors of its own for refusing; no save may fail for them.
        log.exception("broker took no message, the sweeper will do it", task=task)
