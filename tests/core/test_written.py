"""What of an entry a write-back changes, and what it never touches."""

from __future__ import annotations

import pytest

from provisioning.core.errors import InvalidInput
from provisioning.core.written import (
    ValueChange,
    check_name,
    compare_value,
    finish_value,
    needs_second_user,
)

OURS = {"sip:ann@voice.example.com"}
MAIL = ("SMTP:ann@example.com", "smtp:a.lee@example.com")


@pytest.mark.parametrize(
    ("present", "wanted", "ours", "change"),
    [
        ([], "4711", (), ValueChange("create", "", "4711")),
        (["4711"], "4711", (), None),
        (["0815"], "4711", (), ValueChange("update", "0815", "4711")),
        (["4711"], "", ["4711"], ValueChange("empty", "4711", "")),
        (["0815"], "", ["4711"], None),
        (["1", "2"], "", ["1"], None),
        ([], "", ["4711"], None),
    ],
)
def test_a_single_value_is_set_and_only_ours_is_emptied(
    present: list[str], wanted: str, ours: list[str], change: ValueChange | None
) -> None:
    assert compare_value("ipPhone", present, wanted, ours) == change


@pytest.mark.parametrize(
    ("addresses", "wanted", "change"),
    [
        ((), "sip:ann@voice.example.com", ValueChange("create", "", "sip:ann@voice.example.com")),
        (("SIP:Ann@voice.example.com",), "sip:ann@voice.example.com", None),
        (
            ("sip:ann@voice.example.com",), "sip:ann.lee@voice.example.com",
            ValueChange("update", "sip:ann@voice.example.com", "sip:ann.lee@voice.example.com"),
        ),
        (
            ("sip:ann@voice.example.com", "sip:ann@skype.example.com"), "",
            ValueChange("empty", "sip:ann@voice.example.com", ""),
        ),
        (("sip:ann@skype.example.com",), "", None),
    ],
)  # fmt: skip
def test_of_proxy_addresses_only_our_sip_value_is_looked_at(
    addresses: tuple[str, ...], wanted: str, change: ValueChange | None
) -> None:
    assert compare_value("proxyAddresses", (*MAIL, *addresses), wanted, OURS) == change


def test_what_cannot_be_told_apart_is_left_as_it_is() -> None:
    with pytest.raises(InvalidInput, match="2 values"):
        compare_value("telephoneNumber", ["1", "2"], "3", ["1"])
    with pytest.raises(InvalidInput, match="did not write"):
        compare_value("proxyAddresses", ["sip:x@skype.example"], "sip:ann@voice.example", OURS)


def test_proxy_addresses_get_sip_uris_and_nothing_else() -> None:
    assert finish_value("proxyAddresses", "ann@voice.example") == "sip:ann@voice.example"
    assert finish_value("ipPhone", " 4711 ") == "4711"
    for value in ("SMTP:ann@example.com", "ann", "sip:ann@example.com,SMTP:x@y"):
        with pytest.raises(InvalidInput, match="SIP URIs only"):
            finish_value("proxyAddresses", value)
    with pytest.raises(InvalidInput, match="characters"):
        finish_value("ipPhone", "1" * 300)


@pytest.mark.parametrize(
    "name",
    ["userPrincipalName", "CN", "scriptPath", "msDS-KeyCredentialLink", "", "a b", "2.5.4.3"],
)
def test_names_by_which_people_are_found_or_given_rights_are_refused(name: str) -> None:
    with pytest.raises(InvalidInput):
        check_name(name)


def test_what_others_live_on_needs_a_second_user() -> None:
    for name in ("ipPhone", "extensionAttribute5", "msDS-cloudExtensionAttribute1"):
        check_name(name)
        assert not needs_second_user(name)
    for name in ("ProxyAddresses", "msRTCSIP-Line"):
        check_name(name)
        assert needs_second_user(name)
