"""Linphone's remote provisioning document, read the way liblinphone reads it."""

from dataclasses import replace

import pytest
from hypothesis import given
from lxml import etree

from provisioning.core.errors import InvalidInput
from provisioning.profiles.base import MediaEncryption, ProfileAccount, ProfileSettings, Session
from provisioning.profiles.linphone import Linphone
from tests.profiles.samples import ACCOUNT, NAMES, SETTINGS, TCP, UDP, WRITABLE, is_line, named

SHA256 = "0123456789abcdef" * 4


def applied(profile: ProfileSettings, account: ProfileAccount) -> dict[str, dict[str, str]]:
    """The client's rc file after the document, written to disk and read again, per section."""
    namespace = "{http://www.linphone.org/xsds/lpconfig.xsd}"
    rc = []
    root = etree.fromstring(Linphone().render(profile, account)[0].content)
    assert root.tag == f"{namespace}config"
    for section in root:
        assert section.tag == f"{namespace}section"
        rc.append(f"[{section.get('name')}]")
        for entry in section:
            assert entry.tag == f"{namespace}entry"
            assert entry.get("overwrite") == "true"
            rc.append(f"{entry.get('name')}={entry.text or ''}")
    return reread("\n".join(rc))


def reread(rc: str) -> dict[str, dict[str, str]]:
    sections: dict[str, dict[str, str]] = {}
    section: dict[str, str] = {}
    for line in rc.splitlines():
        if line.startswith("["):
            section = sections.setdefault(line.strip("[]"), {})
        else:
            key, _, value = line.partition("=")
            section[key] = value
    return sections


def test_it_registers_at_the_preferred_listener_over_its_transport() -> None:
    for listener, transport in ((TCP, "tcp"), (UDP, "udp")):
        proxy = applied(replace(SETTINGS, listeners=(listener,)), ACCOUNT)["proxy_0"]
        address = f"<sip:sip.voice.example.com:5060;transport={transport}>"
        assert (proxy["reg_proxy"], proxy["reg_route"]) == (address, address)
        assert proxy["reg_sendregister"] == "1"
        assert proxy["reg_expires"] == "3600"


def test_it_holds_the_digest_rather_than_the_password() -> None:
    assert applied(SETTINGS, ACCOUNT)["auth_info_0"] == {
        "username": "john.smith",
        "userid": "john.smith",
        "domain": "voice.example.com",
        "realm": "voice.example.com",
        "ha1": "0123456789abcdef0123456789abcdef",
        "algorithm": "MD5",
    }
    content = Linphone().render(SETTINGS, ACCOUNT)[0].content
    assert b"Zq7-pw.example" not in content


def test_a_sha_256_digest_names_its_algorithm() -> None:
    account = replace(ACCOUNT, ha1=SHA256, algorithm="SHA-256")
    credential = applied(SETTINGS, account)["auth_info_0"]
    assert (credential["ha1"], credential["algorithm"]) == (SHA256, "SHA-256")


def test_the_password_is_written_where_there_is_no_digest() -> None:
    credential = applied(SETTINGS, replace(ACCOUNT, ha1=None))["auth_info_0"]
    assert credential["passwd"] == "Zq7-pw.example"
    assert "ha1" not in credential


def test_without_any_credential_the_client_is_left_to_ask() -> None:
    assert "auth_info_0" not in applied(SETTINGS, replace(ACCOUNT, ha1=None, secret=None))


@pytest.mark.parametrize(
    ("ha1", "algorithm"), [("abc", "MD5"), (SHA256, "MD5"), ("0" * 32, "SHA-256")]
)
def test_a_digest_that_is_not_of_its_algorithm_is_refused(ha1: str, algorithm: str) -> None:
    with pytest.raises(InvalidInput, match="create a new credential"):
        Linphone().render(SETTINGS, replace(ACCOUNT, ha1=ha1, algorithm=algorithm))


def test_an_algorithm_that_linphone_does_not_answer_is_refused() -> None:
    with pytest.raises(InvalidInput, match="MD5 and SHA-256 challenges only"):
        Linphone().render(SETTINGS, replace(ACCOUNT, ha1=SHA256, algorithm="SHA-512-256"))


@pytest.mark.parametrize(
    ("media", "encryption", "mandatory"),
    [("none", "none", "0"), ("optional", "srtp", "0"), ("required", "srtp", "1")],
)
def test_media_encryption_follows_the_profile(
    media: MediaEncryption, encryption: str, mandatory: str
) -> None:
    sip = applied(replace(SETTINGS, media_encryption=media), ACCOUNT)["sip"]
    assert sip["media_encryption"] == encryption
    assert sip["media_encryption_mandatory"] == mandatory


def test_servers_must_always_prove_who_they_are() -> None:
    sip = applied(replace(SETTINGS, ca_pem=""), ACCOUNT)["sip"]
    assert (sip["verify_server_certs"], sip["verify_server_cn"]) == ("1", "1")


def test_the_certificate_authority_stays_where_the_client_keeps_it() -> None:
    assert "root_ca" not in applied(SETTINGS, ACCOUNT)["sip"]


@pytest.mark.parametrize(("allowed", "disabled"), [({Session.MESSAGE}, "0"), (set(), "1")])
def test_chat_is_shown_only_where_messages_are_allowed(
    allowed: set[Session], disabled: str
) -> None:
    sections = applied(replace(SETTINGS, sessions=frozenset(allowed)), ACCOUNT)
    assert sections["ui"]["disable_chat_feature"] == disabled
    assert sections["app"]["disable_chat_feature"] == disabled


def test_a_display_name_is_quoted_as_sip_wants_it() -> None:
    identity = applied(SETTINGS, named('Smith, John "Jack" \\'))["proxy_0"]["reg_identity"]
    assert identity == '"Smith, John \\"Jack\\" \\\\" <sip:john.smith@voice.example.com>'


def test_an_account_without_a_display_name_is_its_address_alone() -> None:
    identity = applied(SETTINGS, named(""))["proxy_0"]["reg_identity"]
    assert identity == "<sip:john.smith@voice.example.com>"


@pytest.mark.parametrize("name", WRITABLE.values(), ids=WRITABLE)
def test_an_odd_name_changes_nothing_but_the_identity(name: str) -> None:
    odd, plain = applied(SETTINGS, named(name)), applied(SETTINGS, named("Ann"))
    odd["proxy_0"]["reg_identity"] = plain["proxy_0"]["reg_identity"]
    assert odd == plain


@given(name=NAMES.filter(is_line))
def test_no_name_injects_a_key_into_the_rc_file(name: str) -> None:
    odd, plain = applied(SETTINGS, named(name)), applied(SETTINGS, named("Ann"))
    odd["proxy_0"]["reg_identity"] = plain["proxy_0"]["reg_identity"]
    assert odd == plain


def test_what_policies_say_is_written_whole_so_that_a_client_forgets_what_it_had() -> None:
    told = applied(
        replace(
            SETTINGS, video=False, publishes_presence=True, nat_traversal="ice",
            stun_server="stun.example.com:3478", conference="sip:meet@example.com",
            file_service="https://files.example.com/",
        ),
        ACCOUNT,
    )  # fmt: skip
    assert told["video"] == {"capture": "0", "display": "0"}
    assert told["proxy_0"]["publish"] == "1"
    assert told["proxy_0"]["conference_factory_uri"] == "sip:meet@example.com"
    assert told["misc"]["file_transfer_server_url"] == "https://files.example.com/"
    assert told["nat_policy_0"]["protocols"] == "stun,ice"
    assert told["nat_policy_0"]["stun_server"] == "stun.example.com:3478"
    assert told["nat_policy_0"]["ref"] == told["proxy_0"]["nat_policy_ref"]
    plain = applied(SETTINGS, ACCOUNT)
    assert {section: set(entries) for section, entries in plain.items()} == {
        section: set(entries) for section, entries in told.items()
    }


def test_a_client_that_may_keep_no_password_is_given_none() -> None:
    told = applied(replace(SETTINGS, stores_passwords=False), ACCOUNT)
    assert told["sip"]["save_auth_info"] == "0"
    assert "auth_info_0" not in told
