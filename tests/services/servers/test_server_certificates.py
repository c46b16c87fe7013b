"""Certificates of SIP servers: seen as clients see them, told of in time, reloaded on demand."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone

from lab.authority import Authority
from lab.kamailio import Kamailio
from lab.kamailio_store import SqliteStore
from provisioning.core.errors import Rejected
from provisioning.models import AuditEvent, SipServer
from provisioning.services.actor import COMMAND_LINE
from provisioning.services.console.overview import overview
from provisioning.services.servers.server_certificates import (
    WARN_BEFORE,
    concern,
    read_certificate,
    read_certificates,
    reload_certificate,
)
from tests.factories import make_store

pytestmark = pytest.mark.django_db


@pytest.fixture
def kamailio(tmp_path: Path) -> Iterator[Kamailio]:
    authority = Authority(tmp_path / "authority")
    with Kamailio(tmp_path / "kamailio", authority, SqliteStore(tmp_path / "store.db")) as server:
        yield server


@pytest.fixture
def server(kamailio: Kamailio) -> SipServer:
    store = make_store()
    row = SipServer.objects.create(
        name="sip1", pool=store.pool, store=store, sip_host="localhost",
        tls_port=kamailio.tls_port, rpc_url=kamailio.rpc_url, ca_pem=kamailio.ca_file.read_text(),
    )  # fmt: skip
    row.set_rpc_secret(kamailio.rpc_secret)
    row.save()
    return row


def test_a_certificate_that_clients_trust_is_no_concern(server: SipServer) -> None:
    read_certificates()
    server.refresh_from_db()
    assert server.certificate_problem == ""
    assert server.certificate_expires_at is not None
    assert server.certificate_expires_at > timezone.now() + timedelta(days=300)
    assert "localhost" in server.certificate_subject
    assert "rtcadmin lab CA" in server.certificate_issuer
    assert concern(server) == ""


def test_another_name_and_another_authority_are_told(server: SipServer) -> None:
    server.sip_host = "127.0.0.1"
    server.ca_pem = ""
    server.save()
    read_certificate(server=server)
    assert "no trusted authority issued it" in concern(server)
    # What was refused is looked at all the same.
    assert server.certificate_expires_at is not None


def test_a_port_without_tls_and_one_where_nobody_listens_are_told(
    server: SipServer, kamailio: Kamailio
) -> None:
    for port, said in ((kamailio.rpc_port, "no answer in time"), (1, "cannot be reached")):
        server.tls_port = port
        server.save()
        read_certificate(server=server)
        assert said in concern(server)


@pytest.mark.parametrize(
    ("left", "said"),
    [
        (WARN_BEFORE + timedelta(days=1), ""),
        (WARN_BEFORE - timedelta(days=1), "It expires on"),
        (timedelta(days=-1), "It expired on"),
    ],
)
def test_an_end_that_comes_near_is_told_on_the_overview(
    server: SipServer, left: timedelta, said: str
) -> None:
    now = timezone.now()
    SipServer.objects.update(certificate_checked_at=now, certificate_expires_at=now + left)
    server.refresh_from_db()
    assert concern(server).startswith(said)
    told = [each.text for each in overview().alerts if each.title == "Certificate of sip1."]
    assert len(told) == bool(said)


def test_a_renewed_certificate_serves_after_the_reload(
    server: SipServer, kamailio: Kamailio, tmp_path: Path
) -> None:
    read_certificate(server=server)
    renewed = kamailio.authority.leaf("renewed", hosts=["renewed.rtc.test"])
    held = kamailio.authority.leaf("kamailio")
    shutil.copy(renewed.key, held.key)
    shutil.copy(renewed.certificate, held.certificate)
    read_certificate(server=server)
    assert "renewed.rtc.test" not in server.certificate_subject
    reload_certificate(server=server, actor=COMMAND_LINE)
    assert "renewed.rtc.test" in server.certificate_subject
    assert AuditEvent.objects.get().action == "reloaded the certificate of"


def test_a_broken_certificate_is_refused_and_the_old_one_goes_on_serving(
    server: SipServer, kamailio: Kamailio
) -> None:
    kamailio.authority.leaf("kamailio").certificate.write_text("no certificate")
    with pytest.raises(Rejected):
        reload_certificate(server=server, actor=COMMAND_LINE)
    read_certificate(server=server)
    assert concern(server) == ""
    assert not AuditEvent.objects.exists()
