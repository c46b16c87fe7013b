"""What a test needs done inside a console of its own: `python -m tests.faults.scene COMMAND …`."""

from __future__ import annotations

import json
import sys
import time

import django

django.setup()

from django.core.management import call_command  # noqa: E402
from django.db import transaction  # noqa: E402

from provisioning.drivers.base import Kind  # noqa: E402
from provisioning.models import ConfigStore, Rollout, Run, ServerPool  # noqa: E402
from provisioning.services.actor import COMMAND_LINE  # noqa: E402
from provisioning.services.push import outbox  # noqa: E402
from provisioning.services.rollouts import actions  # noqa: E402
from provisioning.services.rollouts.of_runs import hold_back  # noqa: E402
from tests.factories import make_account, make_store  # noqa: E402


def migrate() -> None:
    """Makes the database and the schedules."""
    call_command("migrate", verbosity=0)
    call_command("install_schedules", verbosity=0)


def prepare(place: str, password: str) -> None:
    """Makes one managed store; prints its id."""
    store = make_store(**json.loads(place))
    store.set_secret(password)
    store.save()
    print(store.pk)  # noqa: T201


def arrive(first: str, count: str, pause: str) -> None:
    """New accounts, one after the other, each saved and marked in one transaction."""
    for number in range(int(first), int(first) + int(count)):
        with transaction.atomic():
            outbox.mark_account(make_account(user_part=f"user{number:03}"))
        time.sleep(float(pause))


def roll_out(count: str) -> None:
    """A run that makes so many accounts, held back by the stages of its pool."""
    store = ConfigStore.objects.select_related("pool").get()
    ServerPool.objects.update(staged=True, gate_seconds=0, stage_from=1, batch_size=10)
    run = Run.objects.create(kind="sync", state="done", counts={"account.create": int(count)})
    with transaction.atomic():
        accounts = [
            make_account(user_part=f"user{number:03}", pool=store.pool)
            for number in range(int(count))
        ]
        keys = {Kind.SUBSCRIBER: [account.aor for account in accounts]}
        outbox.mark(store_ids=[store.pk], kind=Kind.SUBSCRIBER, keys=keys[Kind.SUBSCRIBER])
        hold_back(run=run, changes=run.changes.all(), keys=keys)


def roll_back() -> None:
    """Somebody rolls back what is under way."""
    rollout = Rollout.objects.get()
    actions.roll_back(rollout=rollout, reason="a test", actor=COMMAND_LINE)


def crash_before_the_message() -> None:
    """A new account whose console dies after the commit and before the message is sent."""
    from provisioning.services import wake  # noqa: PLC0415

    wake._send = lambda *_: sys.exit(9)
    arrive("900", "1", "0")


def repeat_messages(count: str) -> None:
    """The same message again and again."""
    from provisioning.services import wake  # noqa: PLC0415

    for store in ConfigStore.objects.all():
        for _ in range(int(count)):
            wake.push(store_id=store.pk)


COMMANDS = {
    function.__name__: function
    for function in (
        migrate,
        prepare,
        arrive,
        crash_before_the_message,
        repeat_messages,
        roll_out,
        roll_back,
    )
}

if __name__ == "__main__":
    COMMANDS[sys.argv[1]](*sys.argv[2:])
