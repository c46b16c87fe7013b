"""A directory is reached at the addresses that were judged, wherever its name leads by then."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest

from lab.proxy import Proxy
from lab.slapd import Slapd
from provisioning.core.errors import ProvisioningError, Unreachable
from provisioning.core.records import TlsMode
from provisioning.directory.connection import open_connection
from provisioning.directory.conversation import converse
from provisioning.directory.endpoint import endpoints
from tests.directory.conftest import MakeSource

# The certificate is for *.rtc.test, and no name server knows any of them.
NAME = "dc1.rtc.test"
HERE, ELSEWHERE = "127.0.0.1", "127.0.0.2"


@pytest.fixture(autouse=True)
def no_look_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Python looks up nothing but addresses, which need no name server."""
    look_up = socket.getaddrinfo

    def literal(host: Any, *more: Any, **given: Any) -> Any:
        assert host != NAME, "the name was looked up again"
        return look_up(host, *more, **given)

    monkeypatch.setattr(socket, "getaddrinfo", literal)


@pytest.mark.parametrize("tls", ["starttls", "none"])
def test_a_bulk_read_goes_to_the_judged_address_and_the_certificate_is_for_the_name(
    slapd: Slapd, source: MakeSource, tls: TlsMode
) -> None:
    pinned = source(uris=(f"ldap://{NAME}:{slapd.port}",), tls=tls, addresses={NAME: (HERE,)})
    connection = open_connection(pinned, endpoints(pinned)[0])
    assert connection.whoami_s().endswith(pinned.bind_dn)
    connection.unbind_s()


@pytest.mark.parametrize("tls", ["ldaps", "starttls", "none"])
def test_a_conversation_goes_to_the_judged_address_and_the_certificate_is_for_the_name(
    slapd: Slapd, source: MakeSource, tls: TlsMode
) -> None:
    port = slapd.tls_port if tls == "ldaps" else slapd.port
    scheme = "ldaps" if tls == "ldaps" else "ldap"
    pinned = source(uris=(f"{scheme}://{NAME}:{port}",), tls=tls, addresses={NAME: (HERE,)})
    with converse(pinned, endpoints(pinned)[0]) as conversation:
        assert pinned.bind_dn in conversation.who_am_i()


def test_a_certificate_for_another_name_is_refused_at_the_judged_address(
    slapd: Slapd, source: MakeSource
) -> None:
    other = "dc1.example.org"
    uri = f"ldaps://{other}:{slapd.tls_port}"
    pinned = source(uris=(uri,), addresses={other: (HERE,)})
    with pytest.raises(ProvisioningError, match="not made out for"):
        open_connection(pinned, endpoints(pinned)[0])
    with (
        pytest.raises(ProvisioningError, match="not made out for"),
        converse(pinned, endpoints(pinned)[0]),
    ):
        pass


@pytest.fixture
def forwarder(slapd: Slapd) -> Iterator[Proxy]:
    """The same directory at another address, under the same port."""
    port = urlsplit(slapd.tls_uri).port
    assert port is not None
    with Proxy(port, at=ELSEWHERE, port=port) as proxy:
        yield proxy


def test_a_name_that_leads_elsewhere_once_it_is_connected_gets_no_password(
    slapd: Slapd, source: MakeSource, forwarder: Proxy
) -> None:
    """libldap resolves by itself: here it reaches an address that was never judged."""
    pinned = source(addresses={HERE: (ELSEWHERE,)})
    with pytest.raises(Unreachable, match=r"led to 127\.0\.0\.1 when it was connected"):
        open_connection(pinned, endpoints(pinned)[0])
    assert forwarder.connections > 0


def test_the_next_judged_address_is_tried_when_one_does_not_answer(
    slapd: Slapd, source: MakeSource
) -> None:
    uri = f"ldap://{NAME}:{slapd.port}"
    pinned = source(uris=(uri,), tls="starttls", addresses={NAME: ("127.0.0.3", HERE)})
    open_connection(pinned, endpoints(pinned)[0]).unbind_s()


def test_a_host_that_could_not_be_resolved_is_not_resolved_later(
    slapd: Slapd, source: MakeSource
) -> None:
    pinned = source(addresses={})
    with pytest.raises(Unreachable, match="the name is not known"):
        open_connection(pinned, endpoints(pinned)[0])
