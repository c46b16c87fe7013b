"""The setup guide: lines that the servers themselves accept, without any secret."""

from __future__ import annotations

import re
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from pytest_django import Settings
from pytest_django.live_server_helper import LiveServer

from lab.asterisk import TABLES, Asterisk, AsteriskStore
from lab.authority import Authority
from lab.gateway import Gateway
from lab.kamailio_store import SqliteStore
from lab.ports import HOST, free_port
from lab.postgresql import Postgresql
from lab.sip import Login, SipClient
from provisioning.core.calls import Category
from provisioning.core.errors import Unreachable
from provisioning.drivers.asterisk.own_tables import OWN_TABLES, VIEWS
from provisioning.drivers.base import Kind, Row
from provisioning.drivers.routing import DialRuleRow, GatewayRow, RouteRow
from provisioning.drivers.setting_rows import CALLER_SITE, PreferenceRow, SettingRow
from provisioning.models import ConfigStore, SipServer
from provisioning.services.servers import setup_asterisk
from provisioning.services.servers import setup_lines as lines
from provisioning.services.servers.driver_access import open_server, open_store
from provisioning.services.servers.setup_guide import setup_guide
from tests.drivers.rows import DOMAIN, SECRET, alias, subscriber, wanted
from tests.factories import make_domain, make_pool, make_store
from tests.lab.fixtures import postgresql
from tests.push_site import Lab

__all__ = ["postgresql"]
pytestmark = pytest.mark.django_db

# The console's own tables and views at an Asterisk.
OWN = (*(target.table.name for target in OWN_TABLES.values()), *VIEWS)


def a_server(**values: object) -> SipServer:
    return server_of(make_store(**values))


def server_of(store: ConfigStore, url: str = "") -> SipServer:
    server = SipServer.objects.create(
        name="sip1", pool=make_pool(), store=store, sip_host="localhost",
        rpc_url=url or f"http://127.0.0.1:{free_port()}/RPC",
    )  # fmt: skip
    server.set_rpc_secret("hunter2 hunter2")
    server.save()
    return server


@pytest.mark.parametrize("driver", ["kamailio", "opensips"])
def test_the_lines_hold_stand_ins_and_no_secret(driver: str) -> None:
    store = {"host": "127.0.0.1", "user": "rtcadmin", "driver": driver}
    text = "".join(section.lines for section in setup_guide(server=a_server(**store)).sections)
    assert lines.SECRET in text
    assert lines.DATABASE in text
    assert "hunter2" not in text
    assert 'TO "rtcadmin"' in text
    assert not re.search("@[A-Z]+@", text)


def test_the_rights_are_those_that_mysql_understands() -> None:
    store = {"dialect": "mysql", "host": "127.0.0.1", "user": "o'brien", "database": "kamailio"}
    _, tables, *_, rights = setup_guide(server=a_server(**store)).sections
    assert 'loadmodule "db_mysql.so"' in tables.lines
    assert (
        "GRANT SELECT ON `kamailio`.version TO 'o''brien'@'127.0.0.1';" in rights.lines.splitlines()
    )


def test_the_rights_are_those_that_postgresql_understands(
    new_lab: Callable[[str], Lab],
) -> None:
    lab = new_lab("postgresql")
    store = {"driver": "kamailio", "dialect": "postgresql", "user": 'o"brien'}
    *_, rights = setup_guide(server=a_server(**store)).sections
    lab.execute('CREATE ROLE "o""brien"')
    try:
        lab.execute(rights.lines)
    finally:
        lab.execute('DROP OWNED BY "o""brien"; DROP ROLE "o""brien"')


@pytest.mark.parametrize(
    ("algorithm", "offered"),
    [("MD5", "MD5"), ("SHA-512-256", "SHA-512-256"), ("MD5+SHA-256", "MD5,SHA-256")],
)
def test_an_opensips_offers_what_its_store_holds(algorithm: str, offered: str) -> None:
    server = a_server(driver="opensips", host="127.0.0.1", algorithm=algorithm)
    text = "".join(section.lines for section in setup_guide(server=server).sections)
    assert f'www_challenge($td, "auth", "{offered}");' in text


@pytest.mark.parametrize(
    ("version", "module"),
    [("", "sqlops"), ("OpenSIPS 3.6.8", "sqlops"), ("OpenSIPS 3.4.18", "avpops")],
)
def test_the_lines_are_those_of_the_release_that_answers(version: str, module: str) -> None:
    server = a_server(driver="opensips", host="127.0.0.1")
    server.version = version
    text = "".join(section.lines for section in setup_guide(server=server).sections)
    assert f'loadmodule "{module}.so"' in text
    assert ("avp_db_load(" in text) is (module == "avpops")


def test_the_interface_of_an_opensips_is_reached_through_a_proxy_alone() -> None:
    server = a_server(driver="opensips", host="127.0.0.1")
    control, proxy, *_ = setup_guide(server=server).sections
    assert 'modparam("httpd", "ip", "127.0.0.1")' in control.lines
    assert "allow 127.0.0.1;" in proxy.lines
    assert "ssl" not in proxy.lines
    server.rpc_url = "https://127.0.0.1:8443/mi"
    _, proxy, *_ = setup_guide(server=server).sections
    assert "listen 8443 ssl;" in proxy.lines
    assert "location = /mi {" in proxy.lines


def test_a_name_that_does_not_resolve_leaves_a_stand_in_for_the_console() -> None:
    server = a_server()
    server.rpc_url = "http://sip1.invalid/RPC"
    assert lines.UNKNOWN_CONSOLE in setup_guide(server=server).sections[0].lines


@pytest.mark.parametrize("algorithm", ["MD5", "SHA-256"])
def test_kamailio_runs_with_the_lines_and_answers_the_console(
    tmp_path: Path, algorithm: str
) -> None:
    lab = SqliteStore(tmp_path / "kamailio.sqlite")
    lab.create()
    server = a_server(dialect="sqlite", database=str(lab.file), algorithm=algorithm)
    control, tables, checks, modules, routes, calls, settings_modules, settings, forwarding = (
        section.lines for section in setup_guide(server=server).sections
    )
    hooks = "# With the lines for settings below: "
    assert (checks + calls).count(hooks) == 3
    deliver = "# With those for forwarding, in place of all that follows: "
    assert calls.count(deliver) == 1
    file = tmp_path / "kamailio.cfg"
    file.write_text(
        "#!KAMAILIO\n"
        f"listen=udp:127.0.0.1:{free_port()}\n"
        + control.replace(lines.SECRET, "hunter2 hunter2")
        + tables
        + modules
        + routes
        + settings_modules
        + settings
        + forwarding
        + f"request_route {{\n{checks}{calls}}}\n".replace(hooks, "").replace(deliver, "")
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
        health = asked_until_it_answers(server)
    finally:
        process.terminate()
        process.wait(60)
    assert "kamailio" in health.lower()


def asked_until_it_answers(server: SipServer) -> str:
    deadline = time.monotonic() + 60
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


@pytest.mark.parametrize("served", [False, True], ids=["reads", "asks"])
@pytest.mark.django_db(transaction=True)
def test_asterisk_runs_with_the_lines_and_answers_the_console(
    tmp_path: Path,
    authority: Authority,
    postgresql: Postgresql,
    settings: Settings,
    live_server: LiveServer,
    *,
    served: bool,
) -> None:
    settings.PUBLIC_URL = live_server.url
    make_domain()
    lab = AsteriskStore(postgresql, f"guide_{served}".lower())
    lab.create()
    lab.execute("ALTER TABLE ps_aors ALTER max_contacts DROP DEFAULT")
    lab.execute(f"REVOKE ALL ON {', '.join((*TABLES, *OWN))} FROM {lab.console_role}")
    theirs = (*TABLES, *OWN) if served else OWN
    lab.execute(f"REVOKE ALL ON {', '.join(theirs)} FROM {lab.server_role}")
    asterisk = Asterisk(tmp_path, authority, lab)
    store = make_store(
        driver="asterisk", host=HOST, port=postgresql.port, tls=False, database=lab.name,
        user=lab.console_role, served=served,
    )  # fmt: skip
    store.set_secret(postgresql.password(lab.console_role))
    store.save()
    server = server_of(store, asterisk.control_url)
    guide = setup_guide(server=server)
    known = {
        # Within an address: %20 for the space.
        f":{lines.SECRET}@": ":hunter2%20hunter2@",
        lines.SECRET: "hunter2 hunter2",
        setup_asterisk.ROLE: lab.server_role,
        setup_asterisk.PASSWORD: postgresql.password(lab.server_role),
        # Two servers of one machine cannot share the manager's port, which the guide leaves alone.
        "webenabled = yes": f"webenabled = yes\nport = {asterisk.ami_port}",
    }
    files = {section.file: _replaced(section.lines, known) for section in guide.sections}
    assert "hunter2" not in "".join(section.lines for section in guide.sections)
    assert ("res_pgsql.conf" in files) is not served
    lab.execute(files.pop("psql"))
    asterisk.files = files

    with asterisk, Gateway() as carrier:
        health = asked_until_it_answers(server)
        with open_store(store) as driver:
            assert not [line for line in driver.check() if line.startswith("Read only")]
            told = driver.check()
            assert not [line for line in told if "missing" in line or "not written" in line]
            changes = wanted(subscriber("ann"), alias("+49301", "ann"), *a_route(carrier))
            assert not [outcome for outcome in driver.apply(changes) if outcome.error]
            assert (driver.registrations() is None) is served
        with open_server(server) as control:
            control.activate(driver.reload_kinds)
        with SipClient(asterisk.sip_port) as client:
            login = Login("ann", DOMAIN, SECRET)
            assert client.register(Login("ann", DOMAIN, "wrong")).status == 401
            assert client.register(login).status == 200
            client.message(login, f"sip:+49301@{DOMAIN}", "hello")
            assert client.wait_for_request().startswith("MESSAGE sip:ann@")
            assert client.invite(f"sip:0207946@{DOMAIN}", login).status == 200
            assert client.invite(f"sip:+4490@{DOMAIN}", login).status == 403
            assert carrier.calls[0].uri.startswith("sip:+44207946@")
            # What is set for this server alone.
            answer = client.register(login, expires=5000)
            assert ";expires=12" in answer.headers["contact"]
        with open_store(store) as driver, open_server(server) as control:
            (contact,) = control.registrations_of(f"ann@{DOMAIN}")
            assert contact.contact.startswith("sip:ann@")
            driver.apply(wanted(subscriber("ann", None)))
            assert control.end_registration(f"ann@{DOMAIN}")
            assert control.registrations_of(f"ann@{DOMAIN}") == []
        with SipClient(asterisk.sip_port) as client:
            assert client.register(login).status == 401
    assert "asterisk" in health.lower()
    log = (asterisk.directory / "asterisk.log").read_text()
    for complaint in ("pbx_config.c", "ast_expr2", "message.c", "func_"):
        assert complaint not in log


def a_route(carrier: Gateway) -> list[Row]:
    """What an account, at a site, calls through a gateway; and how long it may stay registered."""
    server = SipServer.objects.get()
    return [
        GatewayRow(7, "Carrier", HOST, carrier.port, "udp"),
        RouteRow("+44", Category.NATIONAL, (7,)),
        RouteRow("+4490", Category.PREMIUM, (7,)),
        DialRuleRow(1, 1, r"0([1-9]\d+)", r"+44\1"),
        PreferenceRow(CALLER_SITE, "ann", DOMAIN, "1"),
        PreferenceRow("call_classes", "ann", DOMAIN, "national"),
        SettingRow("max_expires", "4000"),
        SettingRow("max_expires", "1234", str(server.pk)),
        SettingRow("max_expires", "999", str(server.pk + 1)),
    ]


def _replaced(text: str, known: dict[str, str]) -> str:
    for stand_in, value in known.items():
        text = text.replace(stand_in, value)
    return text
