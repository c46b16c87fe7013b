"""Real clients register with a profile, and say so when they are refused."""

import hashlib
import ssl
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from lab.authority import Authority
from lab.baresip import Baresip
from lab.kamailio import Kamailio
from lab.kamailio_store import SqliteStore
from lab.linphone import Linphone

pytestmark = pytest.mark.client

HA1 = hashlib.md5(b"amy:corp.example:correct", usedforsecurity=False).hexdigest()
ROWS = (
    "INSERT INTO domain (domain) VALUES ('corp.example');"
    "INSERT INTO subscriber (username, domain, ha1) VALUES ('amy', 'corp.example', 'HA1')"
)
LINPHONE = """\
<?xml version="1.0" encoding="UTF-8"?>
<config xmlns="http://www.linphone.org/xsds/lpconfig.xsd">
  <section name="proxy_0">
    <entry name="reg_proxy" overwrite="true">&lt;sip:localhost:{port};transport=tls&gt;</entry>
    <entry name="reg_identity" overwrite="true">&lt;sip:amy@corp.example&gt;</entry>
    <entry name="reg_sendregister" overwrite="true">1</entry>
  </section>
  <section name="auth_info_0">
    <entry name="username" overwrite="true">amy</entry>
    <entry name="realm" overwrite="true">corp.example</entry>
    <entry name="domain" overwrite="true">corp.example</entry>
    <entry name="ha1" overwrite="true">{ha1}</entry>
  </section>
</config>
"""
BARESIP_CONFIG = """\
sip_verify_server yes
module stdio.so
module g711.so
module_app account.so
module_app menu.so
"""
BARESIP_ACCOUNT = (
    "<sip:amy@corp.example;transport=tls>;auth_user=amy;auth_pass={password};"
    'outbound="sip:127.0.0.1:{port};transport=tls";regint=600\n'
)


class _Handler(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Says nothing."""


@pytest.fixture
def server(tmp_path: Path, authority: Authority) -> Iterator[Kamailio]:
    store = SqliteStore(tmp_path / "kamailio.db")
    with Kamailio(tmp_path / "kamailio", authority, store) as server:
        store.execute(ROWS.replace("HA1", HA1))
        server.rpc("domain.reload")
        yield server


@pytest.fixture
def web(tmp_path: Path, authority: Authority) -> Iterator[tuple[Path, str]]:
    """A directory that is served over HTTPS, and its address."""
    root = tmp_path / "web"
    root.mkdir()
    leaf = authority.leaf("web")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(leaf.certificate, leaf.key)
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, directory=root)) as https:
        https.socket = context.wrap_socket(https.socket, server_side=True)
        threading.Thread(target=https.serve_forever, daemon=True).start()
        yield root, f"https://localhost:{https.server_port}"
        https.shutdown()


@pytest.mark.parametrize(("ha1", "said"), [(HA1, "200 OK"), ("0" * 32, "401 Unauthorized")])
def test_linphone_fetches_its_profile_and_registers_or_is_refused(
    tmp_path: Path, server: Kamailio, web: tuple[Path, str], ha1: str, said: str
) -> None:
    root, address = web
    (root / "amy.xml").write_text(LINPHONE.format(port=server.tls_port, ha1=ha1))
    with Linphone(tmp_path / "phone", f"{address}/amy.xml", server.ca_file) as phone:
        registration = phone.registration()
    assert registration.said == said
    assert registration.accepted == (said == "200 OK")


@pytest.mark.parametrize(("password", "said"), [("correct", "200 OK"), ("no", "401 Unauthorized")])
def test_baresip_registers_or_is_refused(
    tmp_path: Path, server: Kamailio, password: str, said: str
) -> None:
    exported = tmp_path / "exported"
    exported.mkdir()
    (exported / "config").write_text(BARESIP_CONFIG)
    account = BARESIP_ACCOUNT.format(password=password, port=server.tls_port)
    (exported / "accounts").write_text(account)
    with Baresip(tmp_path / "phone", exported, server.ca_file) as phone:
        registration = phone.registration()
    assert registration.said == said
    assert registration.accepted == (said == "200 OK")
