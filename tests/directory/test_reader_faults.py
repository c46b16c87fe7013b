"""Whatever goes wrong, a read that did not reach its end says so, in time, and can be repeated."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from lab.people import Company
from lab.proxy import BlackHole, CutAfter, Proxy, Refuse
from lab.slapd import Slapd
from lab.slapd_entries import GROUPS, PEOPLE, person_dn
from provisioning.core.errors import IncompleteRead, Rejected, Unreachable
from provisioning.core.records import Entry, SourceRecord
from provisioning.directory.reader import Reader
from tests.directory.conftest import MakeSource

SOON = 15.0


def read(source: SourceRecord) -> set[str]:
    """The keys of everybody."""
    with Reader(source) as reader:
        return {entry.guid for page in reader.people(("uid",)) for entry in page}


@pytest.fixture
def proxy(slapd: Slapd) -> Iterator[Proxy]:
    """A connection to slapd that can be disturbed."""
    with Proxy(slapd.tls_port) as between:
        yield between


@pytest.fixture
def through_proxy(source: MakeSource, proxy: Proxy) -> SourceRecord:
    return source(uris=(f"ldaps://127.0.0.1:{proxy.port}",), read_timeout=2.0)


def test_a_size_limit_in_the_middle_of_paging_is_an_incomplete_read(
    slapd: Slapd, source: MakeSource
) -> None:
    slapd.limit_reads(20)
    seen: list[Entry] = []
    with Reader(source()) as reader:
        pages = reader.people(("uid",))
        with pytest.raises(IncompleteRead) as caught:
            seen.extend(entry for page in pages for entry in page)
    assert 0 < len(seen) < 60
    assert caught.value.retry
    assert f"stopped after {len(seen)} entries of {PEOPLE}" in caught.value.message
    assert "Nothing was changed" in caught.value.message
    slapd.limit_reads(None)
    assert len(read(source())) == 60


def test_a_limit_is_noticed_for_groups_too(slapd: Slapd, source: MakeSource) -> None:
    slapd.limit_reads(3)
    with Reader(source(page_size=2)) as reader, pytest.raises(IncompleteRead, match=GROUPS):
        list(reader.groups(("cn",)))


def test_a_server_that_stops_in_the_middle_is_given_up_in_time(
    slapd: Slapd, source: MakeSource
) -> None:
    with Reader(source(read_timeout=2.0)) as reader:
        pages = reader.people(("uid",))
        next(pages)
        slapd.process.pause()
        began = time.monotonic()
        with pytest.raises(IncompleteRead, match="did not answer in time"):
            list(pages)
        assert time.monotonic() - began < SOON
    slapd.process.resume()
    assert len(read(source())) == 60


@pytest.mark.parametrize("tls", ["ldaps", "starttls", "none"])
def test_a_server_that_stopped_before_is_unreachable_in_time(
    slapd: Slapd, source: MakeSource, tls: str
) -> None:
    uri = slapd.tls_uri if tls == "ldaps" else slapd.uri
    slapd.process.pause()
    began = time.monotonic()
    with pytest.raises(Unreachable, match="no answer in time"), \
            Reader(source(uris=(uri,), tls=tls, connect_timeout=0.5)):  # fmt: skip
        pass
    assert time.monotonic() - began < SOON


def test_a_connection_that_dies_on_a_later_page_is_an_incomplete_read(
    through_proxy: SourceRecord, proxy: Proxy
) -> None:
    with Reader(through_proxy) as reader:
        pages = reader.people(("uid",))
        next(pages)
        proxy.cut()
        with pytest.raises(IncompleteRead, match="the connection was lost"):
            list(pages)


def test_a_connection_that_goes_silent_on_a_later_page_is_given_up_in_time(
    through_proxy: SourceRecord, proxy: Proxy
) -> None:
    with Reader(through_proxy) as reader:
        pages = reader.people(("uid",))
        next(pages)
        proxy.set(BlackHole())
        began = time.monotonic()
        with pytest.raises(IncompleteRead, match="did not answer in time"):
            list(pages)
        assert time.monotonic() - began < SOON


@pytest.mark.parametrize("size", [4_000, 6_000, 8_000])
def test_a_connection_cut_after_any_number_of_bytes_never_looks_complete(
    through_proxy: SourceRecord, proxy: Proxy, size: int
) -> None:
    proxy.set(CutAfter(size))
    with pytest.raises((IncompleteRead, Unreachable)):
        read(through_proxy)


def test_a_silent_or_refusing_port_is_unreachable_in_time(
    through_proxy: SourceRecord, proxy: Proxy
) -> None:
    for fault, says in ((BlackHole(), "no answer in time"), (Refuse(), "nobody listens there")):
        proxy.set(fault)
        began = time.monotonic()
        with pytest.raises(Unreachable, match=says):
            read(through_proxy)
        assert time.monotonic() - began < SOON


def test_a_rotated_bind_password_is_refused_and_the_same_people_come_after_repair(
    slapd: Slapd, source: MakeSource
) -> None:
    before = read(source())
    slapd.set_bind_password("rotated")
    with pytest.raises(Rejected, match="its password is wrong") as caught:
        read(source())
    assert not caught.value.retry
    assert read(source(bind_secret="rotated")) == before


def test_lost_read_rights_and_an_empty_base_bring_nobody_and_no_error(
    slapd: Slapd, source: MakeSource
) -> None:
    """The directory says "success": it is the limits that hold what would follow."""
    slapd.allow_reads(False)
    assert read(source()) == set()
    slapd.allow_reads(True)
    assert read(source(person_filter="(uid=nobody)")) == set()


def test_the_next_server_is_used_when_one_is_down_or_not_trusted(
    slapd: Slapd, source: MakeSource, proxy: Proxy
) -> None:
    proxy.set(Refuse())
    down = f"ldaps://127.0.0.1:{proxy.port}"
    # inet_aton(3) knows this spelling of 127.0.0.1; the certificate does not.
    misnamed = f"ldaps://127.1:{slapd.tls_port}"
    with Reader(source(uris=(down, misnamed, slapd.tls_uri))) as reader:
        assert sum(len(page) for page in reader.people(("uid",))) == 60
    assert "nobody listens there" in reader.passed_over[0]
    assert "not made out for 127.1" in reader.passed_over[1]
    with pytest.raises(Unreachable, match=r"nobody listens there.*not made out for"):
        read(source(uris=(down, misnamed)))


def test_a_refused_password_is_not_tried_at_the_next_server(
    slapd: Slapd, source: MakeSource, proxy: Proxy
) -> None:
    """Or two servers would lock the account twice as fast."""
    second = f"ldaps://127.0.0.1:{proxy.port}"
    with pytest.raises(Rejected):
        read(source(uris=(slapd.tls_uri, second), bind_secret="wrong"))
    assert proxy.connections == 0


def test_people_who_come_and_go_during_the_read_disturb_nobody_else(
    slapd: Slapd, source: MakeSource, people: Company
) -> None:
    gone, here = people.people[50], people.people[10]
    with Reader(source()) as reader:
        pages = reader.people(("uid",))
        found = {entry.attributes["uid"][0].decode() for entry in next(pages)}
        slapd.delete(person_dn(gone))
        found |= {e.attributes["uid"][0].decode() for page in pages for e in page}
    assert found | {gone.uid} == {person.uid for person in people.people}
    assert here.uid in found
