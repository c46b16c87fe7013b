"""The demo: what it sets up is accepted, and what goes wrong is named."""

import json
import signal
import socket
from pathlib import Path

import pytest
from pytest_django import Settings

from lab.authority import Authority
from lab.console import Console
from lab.demo import Stop, stop_on_signals
from lab.demo_setup import write_setup
from lab.kamailio import Kamailio
from lab.kamailio_store import SqliteStore
from lab.ports import HOST
from lab.process import LabError
from lab.slapd import Slapd
from lab.system import Lock
from provisioning.services.console.setup_file import apply_setup, read_setup


@pytest.mark.django_db
def test_the_console_accepts_the_whole_setup_of_the_demo(
    tmp_path: Path, slapd: Slapd, authority: Authority, settings: Settings
) -> None:
    settings.SQLITE_STORES = tmp_path
    store = SqliteStore(tmp_path / "kamailio.db")
    store.create()
    server = Kamailio(tmp_path / "sip", authority, store)
    file = write_setup(tmp_path / "setup", slapd, server, store, interval=10)
    entries = apply_setup(document=read_setup(file), folder=file.parent, dry=True)
    waiting = {entry.section for entry in entries if entry.action == "waiting"}
    assert waiting == {"role_groups", "account_rules"}
    assert {entry.action for entry in entries} == {"created", "waiting"}


def test_no_secret_stands_in_the_setup_document(
    tmp_path: Path, slapd: Slapd, authority: Authority
) -> None:
    store = SqliteStore(tmp_path / "kamailio.db")
    server = Kamailio(tmp_path / "sip", authority, store)
    file = write_setup(tmp_path / "setup", slapd, server, store, interval=10)
    for secret, name in (
        (slapd.bind_password, "directory-password"),
        (server.rpc_secret, "control-secret"),
    ):
        assert secret not in file.read_text()
        kept = file.with_name(name)
        assert kept.read_text() == secret
        assert kept.stat().st_mode & 0o777 == 0o600


def test_a_second_demo_on_the_same_data_is_refused(tmp_path: Path) -> None:
    with (
        Lock(tmp_path),
        pytest.raises(LabError, match="runs with this data already"),
        Lock(tmp_path),
    ):
        pass
    with Lock(tmp_path):
        pass


def test_the_console_does_not_take_another_program_for_itself(
    tmp_path: Path, authority: Authority
) -> None:
    with socket.create_server((HOST, 0)) as other:
        port = other.getsockname()[1]
        console = Console(tmp_path / "console", authority, stores=tmp_path, port=port)
        with pytest.raises(LabError, match=f"another program has port {port}"):
            console.start()
    assert not any(process.running for process in console.processes)


def test_a_console_keeps_its_ports(tmp_path: Path, authority: Authority) -> None:
    first = Console(tmp_path / "console", authority, stores=tmp_path)
    again = Console(tmp_path / "console", authority, stores=tmp_path)
    assert (first.port, first.link_port) == (again.port, again.link_port)
    moved = Console(tmp_path / "console", authority, stores=tmp_path, port=first.port + 1)
    assert moved.port == first.port + 1
    kept = json.loads((tmp_path / "console" / "state.json").read_text())
    assert kept["web_port"] == moved.port


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_stops_once(number: signal.Signals) -> None:
    signals = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {each: signal.getsignal(each) for each in signals}
    try:
        stop_on_signals()
        with pytest.raises(Stop):
            signal.raise_signal(number)
        signal.raise_signal(number)
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
