"""Real Celery workers that are killed, frozen, woken twice or not at all: faults 16 to 23.

On SQLite with the filesystem broker, as on one machine, and on PostgreSQL with Redis and RabbitMQ.
"""

from __future__ import annotations

import random
import time

import pytest

from lab.postgresql import Postgresql
from lab.process import wait_until
from lab.proxy import Delay, Pass
from tests.faults.console import Console, assert_settled, users

# Several processes start in each test; on a busy machine that alone takes a while.
pytestmark = pytest.mark.timeout(900)

KILLS = 5


def test_workers_killed_in_mid_push_lose_nothing_and_do_nothing_twice(console: Console) -> None:
    count = 40
    console.proxy.set(Delay(0.05))
    arrivals = console.start_scene("arrive", "0", str(count), "0.2")
    chance = random.Random(16)  # noqa: S311
    for _ in range(KILLS):
        console.start()
        wait_until(console.is_pushing, timeout=120, what="a worker pushes")
        time.sleep(chance.uniform(0, 0.6))
        console.worker.kill()
    assert arrivals.wait(120) == 0
    console.proxy.set(Pass())
    console.start()
    console.wait_until_done()
    assert_settled(console, *users(count))


@pytest.mark.parametrize("console", ["one machine", "rabbitmq"], indirect=True)
def test_messages_that_come_twenty_times_or_never_have_the_same_effect(console: Console) -> None:
    console.scene("arrive", "0", "3", "0")
    console.scene("repeat_messages", "20")
    console.scene("crash_before_the_message", accept=(9,))
    console.start()
    console.wait_until_done()
    assert_settled(console, *users(3), "user900")


@pytest.mark.parametrize("console", ["redis", "rabbitmq"], indirect=True)
def test_saves_succeed_while_the_broker_is_dead_and_are_pushed_when_it_is_back(
    console: Console,
) -> None:
    assert console.broker is not None
    console.start()
    console.scene("arrive", "0", "1", "0")
    console.wait_until_done()
    console.broker.kill()
    console.scene("arrive", "1", "2", "0")
    assert console.pending() == 2
    console.broker.start()
    console.wait_until_done()
    assert_settled(console, *users(3))


@pytest.mark.parametrize("console", ["one machine"], indirect=True)
def test_a_worker_that_sleeps_longer_than_its_lease_does_nothing_afterwards(
    console: Console,
) -> None:
    console.proxy.set(Delay(0.2))
    console.scene("arrive", "0", "3", "0")
    console.start()
    wait_until(console.is_pushing, timeout=120, what="a worker pushes")
    console.worker.pause()
    other = console.new_worker("other")
    try:
        other.start(lambda: other.running)
        console.wait_until_done()
        console.proxy.set(Pass())
        console.worker.resume()
        console.scene("arrive", "3", "1", "0")
        console.wait_until_done()
        assert_settled(console, *users(4))
    finally:
        other.kill()


@pytest.mark.parametrize("console", ["redis"], indirect=True)
def test_databases_that_crash_in_mid_push_get_the_rest_afterwards(
    console: Console, cluster: Postgresql
) -> None:
    console.proxy.set(Delay(0.1))
    console.scene("arrive", "0", "12", "0")
    console.start()
    wait_until(console.is_pushing, timeout=120, what="a worker pushes")
    # That of the console and that of the SIP server at once.
    cluster.stop("immediate")
    cluster.start()
    console.proxy.set(Pass())
    console.wait_until_done()
    assert_settled(console, *users(12))
