"""The setup guide: lines that Kamailio itself accepts, without any secret."""

from __future__ import annotations

import shutil
import subprocess
import time
from pathlib import Path

import pytest

from lab.kamailio import SqliteStore
from lab.ports import free_port
from provisioning.core.errors import Unreachable
from provisioning.drivers.base import Kind
from provisioning.models import SipServer
from provisioning.services.servers import setup_guide as guide
from provisioning.services.servers.driver_access import open_server
from tests.factories import make_pool, make_store

pytestmark = pytest.mark.django_db


def a_server(**values: object) -> SipServer:
    store = make_store(**values)
    server = SipServer.objects.create(
        name="sip1", pool=make_pool(), store=store, sip_host="localhost",
        rpc_url=f"http://127.0.0.1:{free_port()}/RPC",
    )  # fmt: skip
    server.set_rpc_secret("hunter2 hunter2")
    server.save()
    return server


def test_the_lines_hold_stand_ins_and_no_secret() -> None:
    store = {"host": "127.0.0.1", "user": "rtcadmin"}
    text = "".join(section.lines for section in guide.setup_guide(server=a_server(**store)))
    assert guide.SECRET in text
    assert guide.DATABASE in text
    assert "hunter2" not in text
    assert 'TO "rtcadmin"' in text
    assert "@" not in text


def test_the_rights_are_those_that_mysql_understands() -> None:
    store = {"dialect": "mysql", "host": "127.0.0.1", "user": "o'brien", "database": "kamailio"}
    _, tables, *_, rights = guide.setup_guide(server=a_server(**store))
    assert 'loadmodule "db_mysql.so"' in tables.lines
    assert (
        "GRANT SELECT ON `kamailio`.version TO 'o''brien'@'127.0.0.1';" in rights.lines.splitlines()
    )


def test_a_name_that_does_not_resolve_leaves_a_stand_in_for_the_console() -> None:
    server = a_server()
    server.rpc_url = "http://sip1.invalid/RPC"
    assert guide.UNKNOWN_CONSOLE in guide.setup_guide(server=server)[0].lines


@pytest.mark.parametrize("algorithm", ["MD5", "SHA-256"])
def test_kamailio_runs_with_the_lines_and_answers_the_console(
    tmp_path: Path, algorithm: str
) -> None:
    lab = SqliteStore(tmp_path / "kamailio.sqlite")
    lab.create()
    server = a_server(dialect="sqlite", database=str(lab.file), algorithm=algorithm)
    control, tables, checks, modules, routes, calls = (
        section.lines for section in guide.setup_guide(server=server)
    )
    file = tmp_path / "kamailio.cfg"
    file.write_text(
        "#!KAMAILIO\n"
        f"listen=udp:127.0.0.1:{free_port()}\n"
        + control.replace(guide.SECRET, "hunter2 hunter2")
        + tables
        + modules
        + routes
        + f"request_route {{\n{checks}{calls}}}\n"
    )
    kamailio = shutil.which("kamailio", path="/usr/sbin:/usr/bin")
    assert kamailio is not None
    checked = subprocess.run(  # noqa: S603
        [kamailio, "-c", "-f", str(file)], capture_output=True, text=True, check=False
    )
    assert checked.returncode == 0, checked.stderr
    process = subprocess.Popen(  # noqa: S603
        [kamailio, "-DD", "-E", "-Y", str(tmp_path), "-w", str(tmp_path), "-f", str(file)],
        stderr=subprocess.DEVNULL,
    )
    try:
        health = _asked_until_it_answers(server)
    finally:
        process.terminate()
        process.wait(10)
    assert "kamailio" in health.lower()


def _asked_until_it_answers(server: SipServer) -> str:
    deadline = time.monotonic() + 10
    while True:
        try:
            with open_server(server) as driver:
                driver.activate(list(Kind))
                driver.registrations_of("nobody@voice.example.com")
                return driver.health().version
        except Unreachable:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
