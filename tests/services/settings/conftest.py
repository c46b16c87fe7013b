"""Real stores and servers for settings that take effect there."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from lab.kamailio import Kamailio
from lab.kamailio_store import KAMAILIO_5_6, KAMAILIO_6_1
from tests.lab.fixtures import authority
from tests.push_site import Site, cluster, make_server, new_kamailio, new_lab, new_site, site
from tests.services.settings.field import Field

__all__ = ["authority", "cluster", "new_kamailio", "new_lab", "new_site", "site"]


@pytest.fixture
def field(site: Site, new_kamailio: Callable[..., Kamailio]) -> Field:
    """A store in an SQLite file, with a Kamailio 5.6."""
    kamailio = new_kamailio(site)
    return Field(site, kamailio, make_server(site, kamailio))


@pytest.fixture(
    params=[("sqlite", KAMAILIO_5_6), ("postgresql", KAMAILIO_6_1)],
    ids=["sqlite-5.6", "postgresql-6.1"],
)
def either_field(
    request: pytest.FixtureRequest,
    new_site: Callable[..., Site],
    new_kamailio: Callable[..., Kamailio],
) -> Field:
    """The same, and a store on PostgreSQL with a Kamailio 6.1."""
    dialect, release = request.param
    site = new_site(dialect, release=release)
    kamailio = new_kamailio(site)
    return Field(site, kamailio, make_server(site, kamailio))
