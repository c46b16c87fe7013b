"""Telephone numbers: everything is kept as E.164 (`+` and 7 to 15 digits, ITU-T E.164)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

import phonenumbers
from phonenumbers import ValidationResult

from provisioning.core.errors import InvalidInput

E164 = re.compile(r"\+[1-9][0-9]{6,14}", re.ASCII)
_EXTENSION = re.compile(r"(?i)[;,\s]*(?:ext\.?|x|#)\s*[0-9]{1,7}$")


_BEFORE = re.compile(r"^[^+\d]+")


@lru_cache(maxsize=4096)
def _parse(text: str, region: str | None) -> str | None:
    # Letters are digits of a telephone's keys only where somebody means that: "112 or so".
    if phonenumbers.is_alpha_number(_BEFORE.sub("", text)):
        return None
    try:
        parsed = phonenumbers.parse(text, region)
    except phonenumbers.NumberParseException:
        return None
    # A number that is possible only inside its area would become another one's E.164 number.
    if phonenumbers.is_possible_number_with_reason(parsed) != ValidationResult.IS_POSSIBLE:
        return None
    number = phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164)
    return number if E164.fullmatch(number) else None


def normalise(text: str, region: str = "") -> str:
    """`text` as E.164; national formats are read as those of `region` (ISO 3166-1 alpha-2).

    Raises InvalidInput with the reason when `text` is not a number.
    """
    text = text.strip()
    if E164.fullmatch(text):
        return text
    bare = _EXTENSION.sub("", _tel_subscriber(text) if text[:4].lower() == "tel:" else text)
    number = _parse(bare, region.upper() or None) if len(bare) <= 40 else None
    if number is None:
        hint = f" in {region.upper()}" if region else "; it has no country code and no site has one"
        raise InvalidInput(f"“{text[:40]}” is not a telephone number{hint}.")
    return number


def _tel_subscriber(uri: str) -> str:
    """The number of a tel URI behind the prefix that its phone-context gives (RFC 3966, 5.1.5).

    Empty when the context is a domain: such a number means something there only.
    """
    number, *parameters = uri[4:].split(";")
    for parameter in parameters:
        name, _, context = parameter.partition("=")
        if name.strip().lower() == "phone-context" and not number.startswith("+"):
            return context + number if context.startswith("+") else ""
    return number


def check_range(first: str, last: str) -> tuple[int, int]:
    """First and last number of a range as integers.

    Raises InvalidInput unless both are E.164 of the same length and span at most 1,000,000 numbers.
    """
    for value in (first, last):
        if not E164.fullmatch(value):
            raise InvalidInput(f"“{value[:40]}” is not an E.164 number such as +442079460000.")
    low, high = int(first[1:]), int(last[1:])
    if len(first) != len(last) or low > high:
        raise InvalidInput(
            "The last number must have as many digits as the first and not be smaller."
        )
    if high - low >= 1_000_000:
        raise InvalidInput("A range holds at most 1,000,000 numbers; split it.")
    return low, high


def numbers_between(first: str, last: str) -> Iterator[str]:
    """Every number of the range in order, as E.164."""
    low, high = check_range(first, last)
    for number in range(low, high + 1):
        yield f"+{number}"
