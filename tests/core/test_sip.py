"""SIP user parts, domains and digests."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provisioning.core.errors import InvalidInput
from provisioning.core.sip import check_domain, check_user_part, ha1


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("ann", "ann"),
        (" Ann.Example ", "ann.example"),
        ("+442079460001", "+442079460001"),
        ("*98", "*98"),
        ("1001", "1001"),
        ("a_b-c~d", "a_b-c~d"),
        ("Sean.O'Neil", "sean.o'neil"),  # unreserved in RFC 3261 section 25.1, so never escaped
        ("x" * 64, "x" * 64),
    ],
)
def test_a_user_part_is_kept_in_lower_case(written: str, kept: str) -> None:
    assert check_user_part(written) == kept


@pytest.mark.parametrize(
    "value",
    ["", " ", "a b", "a@b", "a:b", "a;b", "a<b", 'a"b', "a%40b", "a#b", "#1", "a/b", ".ann", "-ann",
     "'ann", "müller", "\uff41nn", "a\nb", "a\x00b", "x" * 65, "a\u0131"],
    ids=ascii,
)  # fmt: skip
def test_what_would_need_escaping_is_no_user_part(value: str) -> None:
    with pytest.raises(InvalidInput, match="cannot be the user part of a SIP URI"):
        check_user_part(value)


def test_the_message_shortens_what_is_much_too_long() -> None:
    with pytest.raises(InvalidInput) as error:
        check_user_part("x" * 5000)
    assert len(str(error.value)) < 300


@given(st.text())
def test_an_accepted_user_part_is_ascii_short_and_stays_as_it_is(text: str) -> None:
    try:
        user = check_user_part(text)
    except InvalidInput:
        return
    assert user.isascii()
    assert 1 <= len(user) <= 64
    assert check_user_part(user) == user


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("voice.example.com", "voice.example.com"),
        (" Voice.Example.COM. ", "voice.example.com"),
        ("localhost", "localhost"),
        ("xn--mller-kva.example", "xn--mller-kva.example"),
        ("192.0.2.7", "192.0.2.7"),
        (f"{'a' * 60}.org", f"{'a' * 60}.org"),
    ],
)
def test_a_domain_is_kept_in_lower_case_without_its_last_dot(written: str, kept: str) -> None:
    assert check_domain(written) == kept


@pytest.mark.parametrize(
    "value",
    ["", ".", "a..b", "-a.example", "a-.example", "a_b.example", "exa mple.com", "a.example:5060",
     "sip:a.example", "müller.example", "a.example/x", "a.example;x", "a" * 64, f"{'a.' * 40}org",
     "a\n.example", "../etc"],
    ids=ascii,
)  # fmt: skip
def test_what_is_no_host_name_is_no_domain(value: str) -> None:
    with pytest.raises(InvalidInput, match="is not a domain name"):
        check_domain(value)


def test_a_digest_is_that_of_the_standards() -> None:
    # RFC 2617 section 3.5 and RFC 7616 section 3.9.1 give user, realm and password; the digests
    # are those of `printf 'Mufasa:…' | md5sum` and `sha256sum`.
    assert ha1("Mufasa", "testrealm@host.com", "Circle Of Life") == (
        "939e7578ed9e3c518a452acee763bce9"
    )
    assert ha1("Mufasa", "http-auth@example.org", "Circle of Life", "SHA-256") == (
        "7987c64c30e25f1b74be53f966b49b90f2808aa92faf9a00262392d7b4794232"
    )


def test_a_digest_reads_text_as_utf_8() -> None:
    assert ha1("jäsøn", "realm", "pässwörd") != ha1("jason", "realm", "password")


def test_a_domain_with_an_umlaut_is_told_how_dns_writes_it() -> None:
    with pytest.raises(InvalidInput, match="Write it as DNS does, with xn-- before such a part"):
        check_domain("münchen.example")
