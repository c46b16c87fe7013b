"""The documents in the hands of real clients: each makes its client register at a real server."""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from lab.authority import Authority
from lab.baresip import Baresip as BaresipClient
from lab.gateway import Gateway as LabGateway
from lab.kamailio import Kamailio
from lab.kamailio_store import SqliteStore
from lab.linphone import Linphone as LinphoneClient
from lab.linphone import Registration
from lab.process import LabError, wait_until
from provisioning.core.records import Listener
from provisioning.core.sip import Algorithm, ha1
from provisioning.profiles.addresses import name_addr
from provisioning.profiles.baresip import Baresip
from provisioning.profiles.base import NatTraversal, ProfileAccount, ProfileSettings, Session
from provisioning.profiles.linphone import Linphone

pytestmark = pytest.mark.client

DOMAIN = "voice.example.com"
SECRET = "Zq7-pw=real client"
# Linphone ignores addresses in certificates; baresip asks DNS alone, which knows no localhost.
LINPHONE_HOST = "localhost"
# What would end the name, the address or the line early if it were not quoted as each reads it.
NAMES = {
    "plain": "Ann Example",
    "o'dd": 'Smith, John "Jack" <sip:evil@example.com>;regint=0 & \\ 山田',
}


@pytest.fixture(scope="module")
def kamailio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kamailio]:
    yield from _server(tmp_path_factory.mktemp("md5"), "MD5")


@pytest.fixture(scope="module")
def sha256_kamailio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kamailio]:
    yield from _server(tmp_path_factory.mktemp("sha256"), "SHA-256")


def _server(directory: Path, algorithm: Algorithm) -> Iterator[Kamailio]:
    store = SqliteStore(directory / "store.sqlite")
    authority = Authority(directory / "authority")
    server = Kamailio(directory, authority, store, sha256=algorithm == "SHA-256")
    store.create()
    store.execute(f"INSERT INTO domain (domain, did) VALUES ('{DOMAIN}', '{DOMAIN}')")  # noqa: S608
    for user in NAMES:
        quoted = user.replace("'", "''")
        digest = ha1(user, DOMAIN, SECRET, algorithm)
        store.execute(
            "INSERT INTO subscriber (username, domain, ha1) "  # noqa: S608
            f"VALUES ('{quoted}', '{DOMAIN}', '{digest}')"
        )
    with server:
        yield server


def settings_for(server: Kamailio, transport: str, host: str = "127.0.0.1") -> ProfileSettings:
    listeners = {
        "tls": Listener(host, server.tls_port, "tls"),
        "tcp": Listener("127.0.0.1", server.sip_port, "tcp"),
        "udp": Listener("127.0.0.1", server.sip_port, "udp"),
    }
    return ProfileSettings(
        key="real",
        name="Real clients",
        listeners=(listeners[transport],),
        gateway=None,
        sessions=frozenset(Session),
        media_encryption="required",
        register_expires=600,
        ca_pem=server.ca_file.read_text(),
    )


def account(user: str) -> ProfileAccount:
    return ProfileAccount(
        user=user,
        domain=DOMAIN,
        realm=DOMAIN,
        auth_user=user,
        display_name=NAMES[user],
        secret=SECRET,
    )


def assert_registered(server: Kamailio, registration: Registration, user: str, log: Path) -> None:
    """Both sides say so, and the display name went out whole."""
    assert registration.accepted, registration.said
    assert server.rpc("ul.lookup", ["location", f"{user}@{DOMAIN}"])
    assert f"From: {name_addr(account(user))};tag=" in log.read_text(errors="replace")


def linphone(
    server: Kamailio, profile: ProfileSettings, who: ProfileAccount, directory: Path
) -> LinphoneClient:
    directory.mkdir()
    document = directory / "profile.xml"
    document.write_bytes(Linphone().render(profile, who)[0].content)
    return LinphoneClient(directory / "client", document.as_uri(), server.ca_file)


@pytest.mark.parametrize("user", NAMES)
@pytest.mark.parametrize("transport", ["tls", "udp"])
def test_linphone_registers_with_its_document(
    kamailio: Kamailio, tmp_path: Path, user: str, transport: str
) -> None:
    who = replace(account(user), secret=None, ha1=ha1(user, DOMAIN, SECRET))
    profile = settings_for(kamailio, transport, LINPHONE_HOST)
    with linphone(kamailio, profile, who, tmp_path / "linphone") as client:
        assert_registered(kamailio, client.registration(), user, client.log)


def test_linphone_answers_sha_256_from_its_document(
    sha256_kamailio: Kamailio, tmp_path: Path
) -> None:
    digest = ha1("plain", DOMAIN, SECRET, "SHA-256")
    who = replace(account("plain"), secret=None, ha1=digest, algorithm="SHA-256")
    profile = settings_for(sha256_kamailio, "tls", LINPHONE_HOST)
    with linphone(sha256_kamailio, profile, who, tmp_path / "linphone") as client:
        registration = client.registration()
        assert registration.accepted, registration.said


def test_linphone_registers_with_a_password_where_there_is_no_digest(
    kamailio: Kamailio, tmp_path: Path
) -> None:
    profile = settings_for(kamailio, "tcp")
    with linphone(kamailio, profile, account("plain"), tmp_path / "linphone") as client:
        registration = client.registration()
        assert registration.accepted, registration.said


@pytest.mark.parametrize("user", NAMES)
@pytest.mark.parametrize("transport", ["tls", "udp"])
def test_baresip_registers_with_its_directory(
    kamailio: Kamailio, tmp_path: Path, user: str, transport: str
) -> None:
    exported, directory = tmp_path / "exported", tmp_path / "baresip"
    exported.mkdir()
    directory.mkdir()
    for file in Baresip().render(settings_for(kamailio, transport), account(user)):
        (exported / file.name).write_bytes(file.content)
        (directory / file.name).write_bytes(file.content)
    with BaresipClient(directory, exported, kamailio.ca_file) as client:
        assert_registered(kamailio, client.registration(), user, client.process.log)


def test_linphone_takes_policies_over_and_forgets_them_when_they_end(
    kamailio: Kamailio, tmp_path: Path
) -> None:
    who = replace(account("plain"), secret=None, ha1=ha1("plain", DOMAIN, SECRET))
    plain = settings_for(kamailio, "tls", LINPHONE_HOST)
    policies = replace(
        plain, video=False, nat_traversal="ice", stun_server="127.0.0.1:3478",
        conference="sip:meet@voice.example.com", file_service="https://files.example.com/",
        register_expires=120,
    )  # fmt: skip
    client = linphone(kamailio, policies, who, tmp_path / "linphone")
    with client:
        assert client.registration().accepted
        (contact,) = contacts(kamailio, "plain")
        assert 0 < int(contact["Expires"]) <= 120
    kept = client.configuration.read_text()
    for line in ("protocols=stun,ice", "conference_factory_uri=sip:meet@"):
        assert line in kept
    # The console client switches its own video off, whatever it has read.
    assert "Set video|capture = 0" in client.log.read_text(errors="replace")
    document = tmp_path / "linphone" / "profile.xml"
    document.write_bytes(Linphone().render(plain, who)[0].content)
    with client:
        assert client.registration().accepted
    kept = client.configuration.read_text()
    for gone in ("protocols=stun", "factory_uri=sip:meet", "files.example.com"):
        assert gone not in kept
    assert "Set video|capture = 1" in client.log.read_text(errors="replace")


def contacts(server: Kamailio, user: str) -> list[dict[str, str]]:
    """What the server keeps of the user's registrations."""
    found = server.rpc("ul.lookup", ["location", f"{user}@{DOMAIN}"])
    assert isinstance(found, dict)
    return [each["Contact"] for each in found["Contacts"]]


def test_linphone_that_may_keep_no_password_has_none_in_its_files(
    kamailio: Kamailio, tmp_path: Path
) -> None:
    digest = ha1("plain", DOMAIN, SECRET)
    who = replace(account("plain"), secret=None, ha1=digest)
    profile = replace(settings_for(kamailio, "tls", LINPHONE_HOST), stores_passwords=False)
    with linphone(kamailio, profile, who, tmp_path / "linphone") as client:
        assert not client.registration().accepted
    assert digest not in client.configuration.read_text()


@pytest.mark.parametrize("way", ["stun", "ice"])
def test_baresip_registers_with_nat_traversal(
    kamailio: Kamailio, tmp_path: Path, way: NatTraversal
) -> None:
    profile = replace(
        settings_for(kamailio, "udp"), nat_traversal=way, stun_server="127.0.0.1:3478"
    )
    exported, directory = tmp_path / "exported", tmp_path / "baresip"
    for folder in (exported, directory):
        folder.mkdir()
        for file in Baresip().render(profile, account("plain")):
            (folder / file.name).write_bytes(file.content)
    with BaresipClient(directory, exported, kamailio.ca_file) as client:
        assert_registered(kamailio, client.registration(), "plain", client.process.log)
        assert f"medianat={way}" in (directory / "accounts").read_text()
        assert "media NAT not found" not in client.process.log.read_text(errors="replace")


def test_baresip_asks_the_voicemail_server_for_waiting_messages(
    kamailio: Kamailio, tmp_path: Path
) -> None:
    exported, directory = tmp_path / "exported", tmp_path / "baresip"
    profile = replace(settings_for(kamailio, "udp"), voicemail=True)
    for folder in (exported, directory):
        folder.mkdir()
        for file in Baresip().render(profile, account("plain")):
            (folder / file.name).write_bytes(file.content)
    with LabGateway() as server:
        for key, value in (("voicemail", "1"), ("voicemail_server", f"127.0.0.1:{server.port}")):
            kamailio.store.execute(
                "INSERT INTO usr_preferences (username, domain, attribute, value) "  # noqa: S608
                f"VALUES ('plain', '{DOMAIN}', '{key}', '{value}')"
            )
        # Where baresip is registered a millisecond after it loaded its module mwi, as on loopback,
        # the module's timer goes through a list that it makes longer itself, without end.
        for _ in range(6):
            with BaresipClient(directory, exported, kamailio.ca_file) as client:
                assert client.registration().accepted
                with suppress(LabError):
                    wait_until(lambda: bool(server.asked), timeout=5, what="baresip subscribes")
            if server.asked:
                break
    asked = server.asked[0]
    assert (asked.method, asked.headers["event"]) == ("SUBSCRIBE", "message-summary")
    assert asked.uri == f"sip:plain@127.0.0.1:{server.port}"
