"""Pools of real Kamailios: each with a store of its own, or several that share one."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from pytest_django import Settings

from lab.kamailio import Kamailio
from provisioning.models import ConsoleUser
from provisioning.services.actor import Actor
from tests.lab.fixtures import authority
from tests.push_site import Site, cluster, mariadb, new_kamailio, new_lab, new_site, quick
from tests.services.rollouts.fleet import Fleet

__all__ = ["authority", "cluster", "mariadb", "new_kamailio", "new_lab", "new_site", "quick"]


@pytest.fixture(autouse=True)
def soon(settings: Settings) -> None:
    """Whoever tests says when the next step is due."""
    settings.ROLLOUT_EVERY = 0


@pytest.fixture
def actor(administrator: ConsoleUser) -> Actor:
    return Actor.of(administrator)


@pytest.fixture
def own_stores(
    new_site: Callable[..., Site], new_kamailio: Callable[..., Kamailio], actor: Actor
) -> Fleet:
    """Two servers, each with a store of its own."""
    sites = [new_site(name=f"store {letter}") for letter in "ab"]
    return Fleet([(site, new_kamailio(site)) for site in sites], actor)


@pytest.fixture
def shared_store(
    new_site: Callable[..., Site], new_kamailio: Callable[..., Kamailio], actor: Actor
) -> Fleet:
    """Two servers that read one store."""
    site = new_site(name="store a")
    return Fleet([(site, new_kamailio(site)), (site, new_kamailio(site))], actor)
