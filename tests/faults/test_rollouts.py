"""Rollouts whose workers are killed: they go on where they were, and what is put back is put back.

On SQLite with the filesystem broker, and on PostgreSQL with Redis.
"""

from __future__ import annotations

import random
import time

import pytest

from lab.process import wait_until
from lab.proxy import Delay, Pass
from tests.faults.console import Console, assert_settled, users

pytestmark = [
    pytest.mark.timeout(900),
    pytest.mark.parametrize("console", ["one machine", "redis"], indirect=True),
]

COUNT, KILLS = 40, 5
_FREE = "SELECT count(*) FROM provisioning_rollout WHERE lease_owner <> ''"


def state(console: Console) -> str:
    return str(console.query("SELECT state FROM provisioning_rollout")[0][0])


def kill_again_and_again(console: Console, seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311
    for _ in range(KILLS):
        console.start()
        time.sleep(chance.uniform(1, 4))
        console.worker.kill()


def written(console: Console) -> int:
    return len(console.effects())


def test_a_rollout_whose_workers_are_killed_is_carried_out_once(console: Console) -> None:
    console.scene("roll_out", str(COUNT))
    console.proxy.set(Delay(0.1))
    kill_again_and_again(console, 55)
    console.proxy.set(Pass())
    console.start()
    wait_until(lambda: state(console) == "done", timeout=200, what="the rollout is done")
    assert_settled(console, *users(COUNT))
    wait_until(lambda: console.query(_FREE) == [(0,)], timeout=30, what="nobody has it")
    seen = console.query("SELECT state FROM provisioning_rolloutstage ORDER BY ordinal")
    assert seen == [("passed",)] * 3


def test_what_is_put_back_is_put_back_whoever_is_killed_meanwhile(console: Console) -> None:
    console.scene("roll_out", str(COUNT))
    console.start()
    wait_until(lambda: written(console) >= 11, timeout=200, what="two stages are written")
    console.worker.kill()
    if state(console) == "running":
        console.scene("roll_back")
    console.proxy.set(Delay(0.1))
    kill_again_and_again(console, 56)
    console.proxy.set(Pass())
    console.start()
    wait_until(lambda: state(console) == "rolled back", timeout=200, what="it is put back")
    stands = console.lab.cluster.sql("SELECT username FROM subscriber", database=console.lab.name)
    assert stands.split() == []
    assert console.query(
        "SELECT count(*) FROM provisioning_ownedrow WHERE kind = 'subscriber'"
    ) == [(0,)]
    held = (
        "SELECT count(*) FROM provisioning_pendingchange p JOIN provisioning_rolloutstage s "
        "ON s.id = p.stage_id WHERE NOT s.open"
    )
    assert console.query(held) == [(COUNT,)]
    assert console.pending() == COUNT
