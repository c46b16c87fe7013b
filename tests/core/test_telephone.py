"""Telephone numbers become E.164 or are refused with a reason; never another number."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provisioning.core.errors import InvalidInput
from provisioning.core.telephone import E164, check_range, normalise, numbers_between

READ = {
    ("+442079460001", ""): "+442079460001",
    (" +44 20 7946 0001 ", ""): "+442079460001",
    ("+44 (0)20 7946-0001", ""): "+442079460001",
    ("020 7946 0001", "GB"): "+442079460001",
    ("020 7946 0001", "gb"): "+442079460001",
    ("00 44 20 7946 0001", "DE"): "+442079460001",
    ("030/901820", "DE"): "+4930901820",
    ("(212) 555-0123", "US"): "+12125550123",
    ("06 698 1234", "IT"): "+39066981234",
    ("+39 06 698 1234", ""): "+39066981234",
    ("tel:+44-20-7946-0001", ""): "+442079460001",
    ("TEL:+442079460001;ext=12", ""): "+442079460001",
    ("tel:7946-0001;phone-context=+44-20", ""): "+442079460001",
    ("tel:+442079460001;phone-context=example.com", ""): "+442079460001",
    ("+44 20 7946 0001 x123", ""): "+442079460001",
    ("+44 20 7946 0001 ext. 123", ""): "+442079460001",
    ("020 7946 0001 #12", "GB"): "+442079460001",
    ("Tel. 020 7946 0001", "GB"): "+442079460001",
    ("\uff0b\uff14\uff14 20 7946 0001", ""): "+442079460001",
}


@pytest.mark.parametrize(("given_as", "number"), READ.items(), ids=str)
def test_a_number_is_read_as_its_site_writes_it(given_as: tuple[str, str], number: str) -> None:
    assert normalise(*given_as) == number


REFUSED = {
    "nothing": ("", ""),
    "a word": ("reception", "GB"),
    "a national number without a site": ("020 7946 0001", ""),
    "an extension alone": ("1234", "GB"),
    "a number that is only local": ("7946 0001", "GB"),
    "a local number in a domain": ("tel:7042;phone-context=example.com", "GB"),
    "a number with words behind it": ("112 or so", "GB"),
    "words around a number": ("call 112 or so", "GB"),
    "letters of a telephone's keys": ("1-800-FLOWERS", "US"),
    "a number that is too long": ("+4420794600011234567", ""),
    "a country code that is none": ("+999 1234567", ""),
    "a region that is none": ("020 7946 0001", "XX"),
    "a whole book": ("1" * 10_000, "GB"),
    "two numbers": ("+442079460001/+442079460002", ""),
}


@pytest.mark.parametrize(("text", "region"), REFUSED.values(), ids=REFUSED)
def test_what_is_no_number_is_refused(text: str, region: str) -> None:
    with pytest.raises(InvalidInput, match="is not a telephone number"):
        normalise(text, region)


def test_the_message_says_what_is_missing() -> None:
    with pytest.raises(InvalidInput, match="no country code and no site has one"):
        normalise("020 7946 0001")
    with pytest.raises(InvalidInput, match="in GB"):
        normalise("nobody", "gb")


@given(
    st.text(max_size=30) | st.text("+0123456789 -()/;x", max_size=30), st.sampled_from(["", "GB"])
)
def test_any_text_becomes_e164_or_is_refused(text: str, region: str) -> None:
    try:
        number = normalise(text, region)
    except InvalidInput:
        return
    assert E164.fullmatch(number)
    assert normalise(number) == number


def test_a_range_gives_every_number_once_and_in_order() -> None:
    numbers = list(numbers_between("+442079460098", "+442079460101"))
    assert numbers == ["+442079460098", "+442079460099", "+442079460100", "+442079460101"]


def test_a_range_may_hold_one_number_or_a_million() -> None:
    assert check_range("+442079460000", "+442079460000") == (442079460000, 442079460000)
    assert check_range("+442070000000", "+442070999999") == (442070000000, 442070999999)


@pytest.mark.parametrize(
    ("first", "last", "reason"),
    [
        ("442079460000", "+442079460001", "not an E.164 number"),
        ("+442079460000", "+44 2079460001", "not an E.164 number"),
        ("+442079460000\n", "+442079460001", "not an E.164 number"),
        ("+٤٤٢٠٧٩٤٦٠٠٠٠", "+442079460001", "not an E.164 number"),
        ("+442079460001", "+442079460000", "not be smaller"),
        ("+44207946000", "+442079460001", "as many digits"),
        ("+442070000000", "+442071000000", "split it"),
    ],
)
def test_a_range_that_is_none_is_refused(first: str, last: str, reason: str) -> None:
    with pytest.raises(InvalidInput, match=reason):
        check_range(first, last)
