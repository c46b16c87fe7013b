"""Failover between the servers of a source: which is in use, why others are not, what is kept."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from lab.proxy import CutAfter, Pass, Proxy, Refuse
from lab.slapd import Slapd
from provisioning.models import DirectorySource, Person, Run
from provisioning.services.actor import COMMAND_LINE
from provisioning.services.runs.runs import sync_here
from tests.sources import saved_source

pytestmark = pytest.mark.django_db


@pytest.fixture
def proxy(slapd: Slapd) -> Iterator[Proxy]:
    with Proxy(slapd.tls_port) as between:
        yield between


@pytest.fixture
def source(slapd: Slapd, proxy: Proxy) -> DirectorySource:
    """Two servers; the first can be disturbed."""
    first = f"ldaps://127.0.0.1:{proxy.port}"
    return saved_source(slapd, uris=f"{first}\n{slapd.tls_uri}", page_size=9)


def sync(source: DirectorySource) -> Run:
    run = sync_here(source=source, actor=COMMAND_LINE, dry=False)
    source.refresh_from_db()
    return run


def test_the_next_server_is_used_while_the_first_is_down_and_the_first_when_it_is_back(
    slapd: Slapd, source: DirectorySource, proxy: Proxy
) -> None:
    first = source.uris.split()[0]
    assert sync(source).state == Run.State.DONE
    assert (source.server_in_use, source.passed_over) == (first, [])
    proxy.set(Refuse())
    assert sync(source).state == Run.State.DONE
    assert source.server_in_use == slapd.tls_uri
    assert "nobody listens there" in source.passed_over[0]
    proxy.set(Pass())
    assert sync(source).state == Run.State.DONE
    assert (source.server_in_use, source.passed_over) == (first, [])


def test_a_server_that_breaks_off_a_read_is_tried_last_and_nobody_is_lost(
    slapd: Slapd, source: DirectorySource, proxy: Proxy
) -> None:
    first, second = source.uris.split()
    assert sync(source).state == Run.State.DONE
    known = Person.objects.filter(left_at=None).count()
    # Far enough for TLS, the sign-in and a page or two.
    proxy.set(CutAfter(9_000))
    run = sync(source)
    assert run.state == Run.State.FAILED
    assert source.broke_off == first
    assert Person.objects.filter(left_at=None).count() == known
    assert sync(source).state == Run.State.DONE
    assert source.server_in_use == second
    assert source.as_record().uris == (second, first)
