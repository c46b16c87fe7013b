"""Control of an OpenSIPS: every answer comes with status 200, and its errors stand in the body."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from lab.opensips import OPENSIPS_3_6
from provisioning.core.errors import Rejected, Unreachable
from provisioning.core.records import ServerRecord
from provisioning.drivers.base import Kind
from provisioning.drivers.opensips.server import OpenSipsServer
from tests.drivers.conftest import NewBackend
from tests.drivers.opensips import recorded
from tests.drivers.opensips.recorded import RECORDED, RecordedOpenSips


@pytest.fixture
def opensips(new_backend: NewBackend) -> Iterator[RecordedOpenSips]:
    with RecordedOpenSips(new_backend("sqlite", OPENSIPS_3_6), "MD5") as server:
        yield server


@pytest.fixture
def server(opensips: RecordedOpenSips) -> Iterator[OpenSipsServer]:
    record = ServerRecord("Test", "opensips", opensips.rpc_url, opensips.rpc_secret, "")
    driver = OpenSipsServer(record)
    yield driver
    driver.close()


def _answer(monkeypatch: pytest.MonkeyPatch, method: str, answer: object) -> None:
    monkeypatch.setattr(recorded, "RECORDED", {**RECORDED, method: answer})


def test_calls_name_their_parameters_and_say_that_they_are_json(
    opensips: RecordedOpenSips, server: OpenSipsServer
) -> None:
    assert server.registrations_of("ann@voice.example.com") == []
    server.activate([Kind.SIP_DOMAIN])
    assert [(call["method"], call["params"]) for call in opensips.asked] == [
        ("ul_show_contact", {"table_name": "location", "aor": "ann@voice.example.com"}),
        ("domain_reload", {}),
    ]


def test_accounts_and_numbers_need_no_reload(
    opensips: RecordedOpenSips, server: OpenSipsServer
) -> None:
    server.activate([Kind.SUBSCRIBER, Kind.ALIAS])
    assert opensips.asked == []


def test_health_tells_version_uptime_registrations_and_memory(server: OpenSipsServer) -> None:
    health = server.health()
    assert health.version == "OpenSIPS 3.6.8"
    assert health.uptime_seconds == 0
    assert health.registrations == 1
    assert health.memory_percent == 3.1
    assert health.details == {"contacts": "1"}


def test_a_part_that_is_not_ready_is_told(
    server: OpenSipsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    part = {"Name": "Default", "Readiness": False, "Status": -1, "Details": "loading data"}
    result = [{"Name": "drouting", "Identifiers": [part]}]
    _answer(monkeypatch, "sr_list_status", {"jsonrpc": "2.0", "result": result, "id": 1})
    assert server.health().details["not ready"] == "drouting: loading data"


def test_a_reload_that_failed_is_tried_again(
    server: OpenSipsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    _answer(monkeypatch, "domain_reload", RECORDED["failed reload"])
    with pytest.raises(Unreachable, match="Domain table reload failed"):
        server.activate([Kind.SIP_DOMAIN])


def test_a_module_that_is_not_loaded_is_rejected_in_the_servers_words(
    server: OpenSipsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    _answer(monkeypatch, "domain_reload", RECORDED["no such method"])
    with pytest.raises(Rejected, match="refused domain_reload: Method not found"):
        server.activate([Kind.SIP_DOMAIN])


def test_what_parameters_lack_is_told(
    server: OpenSipsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    _answer(monkeypatch, "domain_reload", RECORDED["unnamed"])
    with pytest.raises(Rejected, match=r"Invalid params \(Too few or too many parameters\)"):
        server.activate([Kind.SIP_DOMAIN])


def test_another_table_of_contacts_is_no_empty_list(
    server: OpenSipsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        RecordedOpenSips, "_about_contact", lambda *_, **__: RECORDED["no such table"]
    )
    for ask in (server.registrations_of, server.end_registration):
        with pytest.raises(Rejected, match="Table not found"):
            ask("ann@voice.example.com")


def test_certificate_files_are_read_at_the_next_start_only(server: OpenSipsServer) -> None:
    with pytest.raises(Rejected, match="Nothing was changed"):
        server.reload_certificate()
