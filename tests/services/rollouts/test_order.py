"""In which order stages come to the servers of a pool: those that somebody chose, then by name."""

from __future__ import annotations

import pytest

from provisioning.core.settings.catalogue import CATALOGUE
from provisioning.core.settings.setting import SettingScope
from provisioning.models import PendingChange, Rollout, ServerPool, SipServer
from provisioning.services.actor import Actor
from provisioning.services.rollouts.order import choose_first
from provisioning.services.servers.servers import save_server
from provisioning.services.settings.change import set_value
from provisioning.services.settings.places import Place
from tests.factories import make_pool, make_store
from tests.services.company import Company, company

__all__ = ["company"]

pytestmark = [pytest.mark.django_db, pytest.mark.database]


def add_servers(pool: ServerPool, **stores: str) -> None:
    """Servers by name, each with the name of its store."""
    for name, store_name in stores.items():
        store = pool.stores.filter(name=store_name).first()
        SipServer.objects.create(
            name=name, pool=pool, store=store or make_store(name=store_name, pool=pool),
            sip_host=f"{name}.example.com", rpc_url="https://192.0.2.1/RPC",
        )  # fmt: skip


@pytest.fixture
def pool() -> ServerPool:
    pool = make_pool()
    pool.staged = True
    pool.save()
    return pool


def stages(pool: ServerPool, value: int, actor: Actor) -> list[tuple[str, list[str]]]:
    """The stages of a change of a setting, each with the stores that it writes."""
    set_value(
        place=Place(SettingScope.POOL, pool), setting=CATALOGUE["min_expires"], value=value,
        actor=actor,
    )  # fmt: skip
    rows = Rollout.objects.latest("pk").stages.all()
    return [(row.name, sorted(row.stores.values_list("name", flat=True))) for row in rows]


def test_a_shared_store_is_reloaded_by_the_chosen_servers_first(
    pool: ServerPool, actor: Actor
) -> None:
    add_servers(pool, sip1="store", sip2="store", sip3="store")
    choose_first(pool=pool, names=["sip3"], actor=actor)
    assert stages(pool, 20, actor) == [("sip3", ["store"]), ("sip1", []), ("sip2", [])]
    # What is planned keeps its stages, also when more joins it.
    choose_first(pool=pool, names=["sip2", "sip1"], actor=actor)
    assert [name for name, _ in stages(pool, 30, actor)] == ["sip3", "sip1", "sip2"]


def test_a_store_comes_with_the_first_of_its_servers(pool: ServerPool, actor: Actor) -> None:
    add_servers(pool, sip1="a", sip2="b", sip3="b", sip4="c")
    choose_first(pool=pool, names=["sip3"], actor=actor)
    assert stages(pool, 20, actor) == [("sip3", ["b"]), ("sip2", []), ("2 servers", ["a", "c"])]


def test_accounts_of_a_large_run_come_to_the_store_of_the_chosen_server_first(
    company: Company, pool: ServerPool, actor: Actor
) -> None:
    company.store.delete()
    add_servers(pool, sip1="a", sip2="b")
    ServerPool.objects.update(stage_from=1)
    choose_first(pool=pool, names=["sip2"], actor=actor)
    company.directory.add_many(3)
    company.sync()
    first, last = Rollout.objects.get().stages.all()
    held = PendingChange.objects.filter(kind="subscriber")
    assert {change.store.name for change in held.filter(stage=first)} == {"b"}
    assert {change.store.name for change in held.filter(stage=last)} == {"a"}


def test_a_server_that_goes_to_another_pool_leaves_its_place_behind(
    pool: ServerPool, actor: Actor
) -> None:
    add_servers(pool, sip1="a")
    choose_first(pool=pool, names=["sip1"], actor=actor)
    server = SipServer.objects.get()
    server.store = make_store(pool=make_pool("Berlin"))
    server.pool = server.store.pool
    server.rpc_url = "http://127.0.0.1:5999/RPC"
    save_server(server=server, actor=actor)
    server.refresh_from_db()
    assert server.stage_place == SipServer.BY_NAME
