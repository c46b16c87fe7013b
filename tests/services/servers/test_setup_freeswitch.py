"""The setup guide of a FreeSWITCH: lines that the server itself accepts, without any secret."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from pathlib import Path
from xml.etree import ElementTree

import pytest
from pytest_django import Settings
from pytest_django.live_server_helper import LiveServer

from lab.freeswitch import TEMPLATE, FreeSwitch, prefix
from lab.ports import HOST
from lab.postgresql import Postgresql
from lab.sip import Login, SipClient
from provisioning.core.errors import Rejected
from provisioning.models import SipServer
from provisioning.services.servers import setup_lines as lines
from provisioning.services.servers.driver_access import open_store
from provisioning.services.servers.setup_guide import setup_guide
from tests.drivers.places import SDP
from tests.drivers.rows import DOMAIN, SECRET, alias, subscriber, wanted
from tests.factories import make_store
from tests.lab.fixtures import postgresql
from tests.services.servers.test_setup_guide import asked_until_it_answers, server_of

__all__ = ["postgresql"]
pytestmark = pytest.mark.django_db

DOCS = Path(__file__).parents[3] / "docs"


def freeswitch_server(tmp_path: Path, url: str = "", **values: object) -> SipServer:
    store = {"driver": "freeswitch", "dialect": "sqlite", "database": str(tmp_path / "store.db")}
    return server_of(make_store(**store, **values, served=True), url or "esl://127.0.0.1:8021")


def _params(text: str) -> set[tuple[str, str]]:
    """Names and values of all parameters, without what differs from server to server."""
    found = ElementTree.fromstring(f"<all>{text}</all>").iter("param")  # noqa: S314
    told = {(each.get("name", ""), each.get("value", "")) for each in found}
    differing = {
        "gateway-url",
        "gateway-credentials",
        "password",
        "apply-inbound-acl",
        "listen-port",
    }
    return {(name, value) for name, value in told if name not in differing}


def test_the_lines_for_freeswitch_are_those_that_it_was_tried_with(
    tmp_path: Path, settings: Settings
) -> None:
    settings.PUBLIC_URL = "http://127.0.0.1:8000"
    sections = setup_guide(server=freeswitch_server(tmp_path)).sections
    files = {section.file: section.lines for section in sections}
    assert "hunter2" not in "".join(files.values())
    assert not re.search("@[A-Z]+@", "".join(files.values()))
    tried = _params(TEMPLATE.read_text().replace("@HOST@", HOST).replace("@ALGORITHMS@", "MD5"))
    for name in ("event_socket", "xml_curl"):
        assert _params(files[f"autoload_configs/{name}.conf.xml"]) <= tried
    profile = _params(files["sip_profiles/internal.xml"])
    refused_already = {("accept-blind-reg", "false"), ("accept-blind-auth", "false")}
    assert profile - tried - refused_already == {("context", "rtcadmin")}
    told = files["dialplan/rtcadmin.xml"]
    for line in ("<condition field", 'application="bridge"'):
        (tried_line,) = [each for each in TEMPLATE.read_text().splitlines() if line in each]
        assert tried_line.strip() in told


@pytest.mark.parametrize("told", ["guide", "docs"])
def test_the_tables_for_freeswitch_are_made_with_the_lines(
    postgresql: Postgresql, told: str
) -> None:
    name, role = f"freeswitch_{told}", "rtcadmin"
    postgresql.create_role(role)
    postgresql.create_database(name)
    store = make_store(
        driver="freeswitch", host=HOST, port=postgresql.port, tls=False, database=name, user=role,
        served=True,
    )  # fmt: skip
    store.set_secret(postgresql.password(role))
    store.save()
    with open_store(store) as driver, pytest.raises(Rejected, match="made once"):
        driver.check()
    if told == "guide":
        text = setup_guide(server=server_of(store, "esl://127.0.0.1:8021")).sections[0].lines
    else:
        text = (DOCS / "freeswitch.md").read_text().partition("```sql\n")[2].partition("```")[0]
    postgresql.sql(text, database=name)
    with open_store(store) as driver:
        assert driver.check()[-1] == "The role may read and write."
        rows = wanted(subscriber("ann"), alias("+49301", "ann"))
        for _ in range(2):
            assert [outcome.error for outcome in driver.apply(rows)] == ["", ""]


def test_a_console_behind_tls_is_checked_by_freeswitch(tmp_path: Path, settings: Settings) -> None:
    settings.PUBLIC_URL = "https://console.example.com"
    sections = setup_guide(server=freeswitch_server(tmp_path, algorithm="SHA-256")).sections
    text = "".join(section.lines for section in sections)
    assert 'name="enable-cacert-check" value="true"' in text
    assert 'name="enable-ssl-verifyhost" value="true"' in text
    assert 'name="rfc8760-auth-algorithms" value="SHA-256"' in text


@pytest.mark.django_db(transaction=True)
@pytest.mark.skipif(prefix() is None, reason="This machine has no FreeSWITCH.")
def test_freeswitch_runs_with_the_lines_and_answers_the_console(
    tmp_path: Path, settings: Settings, live_server: LiveServer
) -> None:
    settings.PUBLIC_URL = live_server.url
    freeswitch = FreeSwitch(tmp_path / "freeswitch", "")
    server = freeswitch_server(tmp_path, freeswitch.control_url)
    secret = "letters0and1digits"
    server.set_rpc_secret(secret)
    server.save()
    files = {
        section.file.rpartition("/")[2]: section.lines.replace(lines.SECRET, secret)
        for section in setup_guide(server=server).sections
    }
    text = freeswitch.template
    for name in ("event_socket", "xml_curl"):
        old = re.compile(rf'<configuration name="{name}.conf">.*?</configuration>', re.DOTALL)
        text = old.sub("@HERE@", text).replace("@HERE@", files[f"{name}.conf.xml"])
    acl = f"<network-lists>{files['acl.conf.xml']}</network-lists>"
    text = text.replace("<network-lists/>", acl)
    text = re.sub('<param name="(context|auth-calls|challenge-realm|inb.*|rfc.*)" .*/>', "", text)
    text = text.replace(
        "</settings>\n        </profile>", f"{files['internal.xml']}</settings></profile>"
    )
    before, _, rest = text.partition("<context ")
    text = before + files["rtcadmin.xml"] + rest.partition("</context>")[2]
    freeswitch.template = text
    with closing(sqlite3.connect(server.store.database)) as connection:
        connection.executescript(files[f"sqlite3 {server.store.database}".rpartition("/")[2]])

    with freeswitch:
        assert "FreeSWITCH" in asked_until_it_answers(server)
        with open_store(server.store) as driver:
            driver.apply(wanted(subscriber("ann"), alias("+49301", "ann")))
        with SipClient(freeswitch.sip_port, timeout=10) as client:
            login = Login("ann", DOMAIN, SECRET)
            assert client.register(Login("ann", DOMAIN, "wrong")).status == 403
            assert client.register(login).status == 200
            uri = f"sip:+49301@{DOMAIN}"
            headers = {"Contact": f"<{login.aor}>", "Content-Type": "application/sdp"}
            client.request("INVITE", uri, uri, login, headers, SDP)
            assert client.wait_for_request().startswith("INVITE sip:ann@")
