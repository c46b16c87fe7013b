"""baresip's directory, its accounts file read the way baresip 1.0 reads it."""

import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provisioning.core.errors import InvalidInput
from provisioning.profiles.baresip import Baresip
from provisioning.profiles.base import MediaEncryption, NatTraversal, ProfileAccount
from tests.profiles.samples import (
    ACCOUNT,
    CA_PEM,
    NAMES,
    SETTINGS,
    UDP,
    WRITABLE,
    is_line,
    named,
)

# An address as baresip takes it apart: a name that may be quoted, the URI, the parameters.
ADDRESS = re.compile(r'(?:"((?:[^"\\]|\\.)*)" )?<([^>]+)>(.*)', re.DOTALL)
PARAMETERS = (
    "answermode", "audio_codecs", "auth_pass", "auth_user", "call_transfer", "extra", "mediaenc",
    "medianat", "mwi", "outbound", "outbound1", "outbound2", "regint", "sipnat", "stunserver",
)  # fmt: skip
SIMPLE = st.text(
    st.characters(exclude_categories=("C", "Z"), exclude_characters='";\\'), min_size=1
)


def files(account: ProfileAccount) -> dict[str, str]:
    return {file.name: file.content.decode() for file in Baresip().render(SETTINGS, account)}


def read(line: str) -> tuple[str, str, dict[str, str]]:
    """Display name, URI and parameters. baresip finds the first `;name=` even inside quotes."""
    found = ADDRESS.fullmatch(line)
    assert found is not None
    parameters = {}
    for name in PARAMETERS:
        value = re.search(rf';{name}=("[^"]*"|[^\s;]+)', found[3])
        if value is not None:
            parameters[name] = value[1].strip('"')
    return re.sub(r"\\(.)", r"\1", found[1] or ""), found[2], parameters


def account_line(account: ProfileAccount) -> str:
    (line,) = files(account)["accounts"].splitlines()
    return line


def test_the_account_registers_through_the_preferred_listener() -> None:
    assert read(account_line(ACCOUNT)) == (
        'Smith, John "Jack"',
        "sip:john.smith@voice.example.com;transport=tls",
        {
            "auth_user": "john.smith",
            "outbound": "sip:sip.voice.example.com:5061;transport=tls",
            "regint": "3600",
            "mediaenc": "srtp-mand",
            "auth_pass": "Zq7-pw.example",
        },
    )


def test_another_transport_reaches_the_address_and_the_way_out() -> None:
    profile = replace(SETTINGS, listeners=(UDP,))
    line = Baresip().render(profile, ACCOUNT)[0].content.decode().strip()
    _, uri, parameters = read(line)
    assert uri.endswith(";transport=udp")
    assert parameters["outbound"] == "sip:sip.voice.example.com:5060;transport=udp"


@pytest.mark.parametrize(
    ("media", "written"), [("none", None), ("optional", "srtp"), ("required", "srtp-mand")]
)
def test_media_encryption_follows_the_profile(media: MediaEncryption, written: str | None) -> None:
    profile = replace(SETTINGS, media_encryption=media)
    line = Baresip().render(profile, ACCOUNT)[0].content.decode().strip()
    assert read(line)[2].get("mediaenc") == written


def test_srtp_is_loaded_before_the_accounts_that_ask_for_it() -> None:
    config = files(ACCOUNT)["config"]
    assert config.index("srtp.so") < config.index("account.so")


def test_the_certificate_authority_comes_along_and_is_used() -> None:
    rendered = files(ACCOUNT)
    assert rendered["ca.pem"] == CA_PEM
    assert "sip_cafile ca.pem\n" in rendered["config"]
    assert "sip_verify_server yes\n" in rendered["config"]


def test_without_its_own_authority_the_systems_are_trusted() -> None:
    rendered = {each.name: each for each in Baresip().render(replace(SETTINGS, ca_pem=""), ACCOUNT)}
    assert sorted(rendered) == ["accounts", "config"]
    assert b"sip_cafile /etc/ssl/certs/ca-certificates.crt\n" in rendered["config"].content


def test_a_profile_without_the_clear_password_is_refused() -> None:
    with pytest.raises(InvalidInput, match="clear-text password"):
        Baresip().render(SETTINGS, replace(ACCOUNT, secret=None))


def test_servers_that_ask_for_sha_256_are_refused() -> None:
    with pytest.raises(InvalidInput, match="MD5 challenges only"):
        Baresip().render(SETTINGS, replace(ACCOUNT, algorithm="SHA-256"))


@pytest.mark.parametrize("secret", ['a"b', "a;regint=0", "a\\b", ""])
def test_a_password_that_baresip_would_read_otherwise_is_refused(secret: str) -> None:
    with pytest.raises(InvalidInput, match="baresip cannot read this account's password"):
        Baresip().render(SETTINGS, replace(ACCOUNT, secret=secret))


@given(secret=SIMPLE.map(lambda text: text[:40]))
def test_every_other_password_comes_back_as_it_went_in(secret: str) -> None:
    assert read(account_line(replace(ACCOUNT, secret=secret)))[2]["auth_pass"] == secret


@pytest.mark.parametrize("name", WRITABLE.values(), ids=WRITABLE)
def test_an_odd_name_stays_in_its_quotes(name: str) -> None:
    assert read(account_line(named(name))) == (name, *read(account_line(named("Ann")))[1:])


@given(name=NAMES.filter(is_line))
def test_no_name_changes_the_address_or_a_parameter(name: str) -> None:
    assert read(account_line(named(name)))[1:] == read(account_line(named("Ann")))[1:]


def test_a_name_beyond_what_baresip_reads_is_refused() -> None:
    with pytest.raises(InvalidInput, match="shorten the display name"):
        Baresip().render(SETTINGS, named("山" * 200))


@pytest.mark.parametrize("way", ["stun", "ice"])
def test_nat_traversal_names_the_way_and_the_server(way: NatTraversal) -> None:
    settings = replace(SETTINGS, nat_traversal=way, stun_server="stun.example.com:3478")
    line = Baresip().render(settings, ACCOUNT)[0].content.decode()
    *_, parameters = read(line.strip())
    assert parameters["medianat"] == way
    assert parameters["stunserver"] == "stun:stun.example.com:3478"


def test_a_client_that_may_keep_no_password_cannot_be_baresip() -> None:
    with pytest.raises(InvalidInput, match="lets clients of this account keep none"):
        Baresip().render(replace(SETTINGS, stores_passwords=False), ACCOUNT)
