"""The RTC Client API profile: right by construction, shown by the schema and the cross-rules."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from provisioning.core.errors import InvalidInput
from provisioning.core.records import Listener
from provisioning.profiles.base import ProfileAccount, ProfileSettings, Session
from provisioning.profiles.rtc import Rtc
from provisioning.profiles.rtc_rules import validate
from tests.profiles.samples import (
    ACCOUNT,
    GATEWAY,
    NAMES,
    SETTINGS,
    TCP,
    TLS,
    UDP,
    WRITABLE,
    is_line,
    named,
)

NO_SECRET = replace(ACCOUNT, secret=None)
LINES = st.text(max_size=30).filter(is_line)
LISTENERS = st.sampled_from([TLS, TCP, UDP, GATEWAY, Listener("192.0.2.7", 5070, "tcp")])
ANY_SETTINGS = st.builds(
    ProfileSettings,
    key=st.uuids().map(str),
    name=LINES.filter(bool),
    # Phone-phone needs a TLS listener; the rest may be anything.
    listeners=st.lists(LISTENERS, max_size=3).map(lambda some: (*some, TLS)),
    gateway=st.none() | LISTENERS,
    sessions=st.frozensets(st.sampled_from(Session)),
    media_encryption=st.sampled_from(["none", "optional", "required"]),
    register_expires=st.integers(60, 86_400),
    provider=LINES,
    homepage=st.sampled_from(["", "https://example.com/?a=1&b=<2>"]),
    helpdesk=st.sampled_from(["", "mailto:help@example.com"]),
    expires_at=st.none() | st.datetimes(timezones=st.just(UTC)),
)
ANY_ACCOUNT = st.builds(
    ProfileAccount,
    user=st.from_regex(r"[a-z0-9+][a-z0-9._'-]{0,20}", fullmatch=True),
    domain=st.just("voice.example.com"),
    realm=LINES,
    auth_user=LINES,
    display_name=LINES,
    secret=st.none() | st.text("abcXYZ019-_.#;%", max_size=20),
)


def rendered(profile: ProfileSettings, account: ProfileAccount) -> etree._Element:
    return etree.fromstring(Rtc().render(profile, account)[0].content)


def user(root: etree._Element) -> etree._Element:
    (found,) = root.findall("user")
    return found


@settings(max_examples=300)
@given(profile=ANY_SETTINGS, account=ANY_ACCOUNT)
def test_every_document_passes_the_schema_and_the_rules(
    profile: ProfileSettings, account: ProfileAccount
) -> None:
    document = Rtc().render(profile, account)[0].content
    assert [finding for finding in validate(document) if finding.refused] == []


@given(name=NAMES.filter(is_line))
def test_a_display_name_comes_back_as_it_went_in(name: str) -> None:
    assert user(rendered(SETTINGS, named(name))).get("name", "") == name


@pytest.mark.parametrize("name", WRITABLE.values(), ids=WRITABLE)
def test_an_odd_name_changes_nothing_but_the_name(name: str) -> None:
    odd, plain = rendered(SETTINGS, named(name)), rendered(SETTINGS, named("Ann"))
    user(odd).set("name", "Ann")
    assert etree.tostring(odd) == etree.tostring(plain)


def test_the_password_is_left_out_unless_it_is_given() -> None:
    assert user(rendered(SETTINGS, NO_SECRET)).get("password") is None
    assert user(rendered(SETTINGS, ACCOUNT)).get("password") == "Zq7-pw.example"


@pytest.mark.parametrize("reserved", "&<>\"'")
def test_a_password_that_the_api_misreads_is_refused(reserved: str) -> None:
    with pytest.raises(InvalidInput, match="misreads"):
        Rtc().render(SETTINGS, replace(ACCOUNT, secret=f"hunter{reserved}2"))


def test_the_user_registers_and_authenticates_with_digest() -> None:
    root = rendered(SETTINGS, ACCOUNT)
    assert dict(user(root).items()) == {
        "uri": "sip:john.smith@voice.example.com",
        "account": "john.smith",
        "name": 'Smith, John "Jack"',
        "password": "Zq7-pw.example",
        "realm": "voice.example.com",
        "allowedauth": "digest",
    }
    registrars = root.findall("sipsrv[@role='registrar']")
    assert [dict(each.items()) for each in registrars] == [
        {
            "addr": "sip.voice.example.com:5061",
            "protocol": "TLS",
            "auth": "digest",
            "role": "registrar",
        }
    ]


def sessions(profile: ProfileSettings) -> dict[str, list[str]]:
    """Per proxy address and protocol, the sessions as party and type."""
    return {
        f"{proxy.get('addr')} {proxy.get('protocol')}": [
            f"{each.get('party')} {each.get('type')}" for each in proxy.findall("session")
        ]
        for proxy in rendered(profile, ACCOUNT).findall("sipsrv[@role='proxy']")
    }


def test_pc_phone_calls_go_through_the_gateway() -> None:
    assert sessions(SETTINGS) == {
        "sip.voice.example.com:5061 TLS": ["first pc2pc", "third ph2ph", "first im"],
        "gateway.example.com:5061 TLS": ["first pc2ph"],
    }


def test_without_a_gateway_pc_phone_calls_go_through_the_servers() -> None:
    profile = replace(SETTINGS, gateway=None, sessions=frozenset({Session.PC_TO_PHONE}))
    assert sessions(profile) == {"sip.voice.example.com:5061 TLS": ["first pc2ph"]}


def test_phone_phone_calls_take_a_tls_proxy_though_clients_prefer_another() -> None:
    profile = replace(SETTINGS, listeners=(UDP, TLS), gateway=None)
    assert sessions(profile) == {
        "sip.voice.example.com:5060 UDP": ["first pc2pc", "first pc2ph", "first im"],
        "sip.voice.example.com:5061 TLS": ["third ph2ph"],
    }


def test_phone_phone_calls_without_a_tls_listener_are_refused() -> None:
    with pytest.raises(InvalidInput, match="no TLS listener"):
        Rtc().render(replace(SETTINGS, listeners=(UDP, TCP)), ACCOUNT)


def test_a_session_that_is_not_allowed_is_not_named() -> None:
    assert sessions(replace(SETTINGS, sessions=frozenset())) == {}


def test_two_accounts_on_one_client_have_different_keys() -> None:
    other = rendered(SETTINGS, replace(ACCOUNT, user="ann"))
    assert other.get("key") != rendered(SETTINGS, ACCOUNT).get("key")


def test_the_end_of_the_profile_is_written_in_utc() -> None:
    end = datetime(2027, 1, 31, 1, 30, tzinfo=timezone(timedelta(hours=2)))
    root = rendered(replace(SETTINGS, expires_at=end), ACCOUNT)
    assert root.get("expires") == "2027-01-30T23:30:00Z"


def test_an_end_without_a_time_zone_is_refused() -> None:
    end = datetime(2027, 1, 31)  # noqa: DTZ001
    with pytest.raises(InvalidInput, match="time zone"):
        Rtc().render(replace(SETTINGS, expires_at=end), ACCOUNT)


def test_a_link_that_is_no_address_is_refused() -> None:
    with pytest.raises(InvalidInput, match="help desk must start with"):
        Rtc().render(replace(SETTINGS, helpdesk="javascript:alert(1)"), ACCOUNT)


def test_a_provider_without_a_name_takes_the_profiles() -> None:
    (provider,) = rendered(replace(SETTINGS, provider=""), ACCOUNT).findall("provider")
    assert provider.get("name") == "Example Voice"
    bare = replace(SETTINGS, provider="", homepage="", helpdesk="")
    assert rendered(bare, ACCOUNT).find("provider") is None


def test_a_client_that_may_keep_no_password_is_given_none() -> None:
    root = rendered(replace(SETTINGS, stores_passwords=False), ACCOUNT)
    assert "password" not in user(root).attrib
    assert "password" in user(rendered(SETTINGS, ACCOUNT)).attrib
