"""Which addresses the console may connect to."""

from __future__ import annotations

import socket
import threading
from pathlib import Path
from typing import Any

import pytest
from pytest_django import Settings

from provisioning.core.errors import InvalidInput, ProvisioningError, Unreachable
from provisioning.core.records import ServerRecord
from provisioning.directory.endpoint import endpoints
from provisioning.services.servers import driver_access, targets
from tests.factories import make_source


def resolving_to(monkeypatch: pytest.MonkeyPatch, *addresses: str) -> None:
    """Let every name resolve to these addresses."""

    def answer(host: str, port: int, **_: Any) -> list[Any]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (each, port)) for each in addresses]

    monkeypatch.setattr(socket, "getaddrinfo", answer)


def check(host: str, port: int = 5432) -> list[str]:
    return targets.check_target(host=host, port=port, what="The database host")


@pytest.mark.parametrize(
    "address",
    [
        "169.254.169.254",
        "169.254.1.1",
        "fe80::1",
        "fd00:ec2::254",
        "100.100.100.200",
        "::ffff:169.254.169.254",
        "64:ff9b::a9fe:a9fe",
        "2002:a9fe:a9fe::1",
        "224.0.0.1",
        "ff02::1",
        "0.0.0.0",  # noqa: S104
        "0.1.2.3",
        "::",
        "255.255.255.255",
    ],
)
def test_an_address_that_no_server_has_is_refused(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    resolving_to(monkeypatch, address)
    with pytest.raises(InvalidInput, match="must not be"):
        check("db1.example.com")


def test_one_bad_address_among_good_ones_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    resolving_to(monkeypatch, "10.0.0.5", "169.254.169.254")
    with pytest.raises(InvalidInput, match=r"169\.254\.169\.254"):
        check("rebind.example.com")


def test_private_networks_are_legitimate(monkeypatch: pytest.MonkeyPatch) -> None:
    resolving_to(monkeypatch, "10.0.0.5", "fd12::5")
    assert check("db1.example.com") == ["10.0.0.5", "fd12::5"]


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "[::1]", "localhost", "2130706433", "127.1"])
def test_loopback_is_refused_however_it_is_written(host: str, settings: Settings) -> None:
    settings.ALLOW_LOOPBACK = False
    with pytest.raises(InvalidInput, match="RTCADMIN_ALLOW_LOOPBACK"):
        check(host)


def test_loopback_may_be_allowed_but_never_the_console_itself(settings: Settings) -> None:
    settings.CONSOLE_PORTS = [8123]
    assert check("127.0.0.1", 5432) == ["127.0.0.1"]
    with pytest.raises(InvalidInput, match="the console itself"):
        check("127.0.0.1", 8123)


def test_the_console_is_recognised_behind_the_machines_other_addresses(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.CONSOLE_PORTS = [8123]
    monkeypatch.setattr(targets, "_is_own", lambda address: str(address) == "10.0.0.9")
    resolving_to(monkeypatch, "10.0.0.9")
    with pytest.raises(InvalidInput, match="the console itself"):
        check("console.example.com", 8123)


@pytest.mark.parametrize(
    "host",
    ["", "/var/run/postgresql", "a.example.com,b.example.com", "a b", "user@host", "a\nb", "-x"],
)
def test_a_host_that_a_library_would_read_otherwise_is_refused(host: str) -> None:
    with pytest.raises(InvalidInput, match="one host name or IP address"):
        check(host)


def test_a_name_that_does_not_resolve_may_do_so_later(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure")

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    with pytest.raises(Unreachable, match="cannot be resolved"):
        check("db1.example.com")


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd",
        "gopher://127.0.0.1:6379/_x",
        "ldap://127.0.0.1",
        "//127.0.0.1/RPC",
        "http://user:pass@127.0.0.1/RPC",
        "http://127.0.0.1/RPC?x=1",
        "http://127.0.0.1:99999/RPC",
        "http://[::1/RPC",
        "http:///RPC",
    ],
)
def test_only_plain_http_addresses_control_a_server(url: str) -> None:
    with pytest.raises(InvalidInput):
        targets.check_url(url=url, schemes=targets.HTTP, what="The control address")


@pytest.mark.parametrize(
    "url", ["ldapi://%2Fvar%2Frun%2Fslapd", "http://127.0.0.1", "ldap://127.0.0.1/dc=example"]
)
def test_only_ldap_addresses_name_a_directory(url: str) -> None:
    with pytest.raises(InvalidInput):
        targets.check_url(url=url, schemes=targets.LDAP, what="The directory address")


def test_an_address_without_a_port_has_that_of_its_scheme() -> None:
    endpoint = targets.check_url(url="ldaps://127.0.0.1", schemes=targets.LDAP, what="The address")
    assert endpoint == targets.Endpoint("ldaps", "127.0.0.1", 636)


class TestSqliteStores:
    """Files are opened below one folder, wherever links lead."""

    @pytest.fixture(autouse=True)
    def folder(self, tmp_path: Path, settings: Settings) -> Path:
        folder = tmp_path / "stores"
        folder.mkdir()
        settings.SQLITE_STORES = folder
        return folder

    def test_a_file_in_the_folder_is_opened(self, folder: Path) -> None:
        (folder / "kamailio.sqlite").touch()
        assert targets.check_sqlite_path("kamailio.sqlite") == folder / "kamailio.sqlite"

    @pytest.mark.parametrize("path", ["/etc/passwd", "../outside.sqlite", "", ".", "a\0b"])
    def test_a_path_elsewhere_is_refused(self, path: str) -> None:
        with pytest.raises(InvalidInput):
            targets.check_sqlite_path(path)

    def test_a_link_that_leads_out_is_refused(self, folder: Path, tmp_path: Path) -> None:
        (tmp_path / "secret").touch()
        (folder / "link").symlink_to(tmp_path / "secret")
        with pytest.raises(InvalidInput, match="only below"):
            targets.check_sqlite_path("link")

    def test_a_missing_file_is_not_made(self, folder: Path) -> None:
        with pytest.raises(InvalidInput, match="There is no file"):
            targets.check_sqlite_path("new.sqlite")
        assert list(folder.iterdir()) == []


def changing(monkeypatch: pytest.MonkeyPatch, *answers: str) -> list[str]:
    """Let names resolve to one address after the other; the list grows with each look-up."""
    asked: list[str] = []
    real = socket.getaddrinfo

    def answer(host: str, port: int, *more: Any, **given: Any) -> list[Any]:
        if not host.endswith(".example.com"):
            return real(host, port, *more, **given)
        asked.append(host)
        address = answers[min(len(asked), len(answers)) - 1]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))]

    monkeypatch.setattr(socket, "getaddrinfo", answer)
    return asked


def test_what_is_connected_to_is_what_was_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    """The name leads to a metadata service right after it was looked at."""
    asked = changing(monkeypatch, "127.0.0.1", "169.254.169.254")
    heard: list[bytes] = []

    def answer(listener: socket.socket) -> None:
        line, _ = listener.accept()
        with line:
            heard.append(line.recv(4096))

    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        thread = threading.Thread(target=answer, args=(listener,), daemon=True)
        thread.start()
        record = ServerRecord("Edge", "kamailio", f"http://sip1.example.com:{port}/RPC", "", "")
        with driver_access.open_server_record(record) as driver, pytest.raises(ProvisioningError):
            driver.health()
        thread.join(60)
    assert heard[0].startswith(b"POST /RPC")
    assert asked == ["sip1.example.com"]


@pytest.mark.django_db
def test_the_addresses_of_a_directory_are_looked_up_once_and_kept(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked = changing(monkeypatch, "10.0.0.5", "169.254.169.254")
    source = make_source(uris="ldaps://dc1.example.com\nldaps://10.0.0.6").as_record()
    pinned = targets.pin_source(source)
    assert [each.addresses for each in endpoints(pinned)] == [("10.0.0.5",), ("10.0.0.6",)]
    assert asked == ["dc1.example.com"]
    with pytest.raises(InvalidInput, match="metadata"):
        targets.pin_source(source)


@pytest.mark.django_db
def test_a_directory_without_encryption_that_moves_away_gets_no_password(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    changing(monkeypatch, "127.0.0.1", "10.0.0.5")
    source = make_source(uris="ldap://dc1.example.com", tls="none").as_record()
    targets.pin_source(source)
    with pytest.raises(InvalidInput, match="in clear"):
        targets.pin_source(source)
