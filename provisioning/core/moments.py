"""Moments as directories write them, and as the console keeps them: text in UTC."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from provisioning.core.errors import InvalidInput

MOMENT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z", re.ASCII)

_NEVER = ("0", str(0x7FFF_FFFF_FFFF_FFFF))
_WINDOWS_EPOCH = datetime(1601, 1, 1, tzinfo=UTC)
_UNIX_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_WHOLE = re.compile(r"-?[0-9]{1,20}", re.ASCII)
_GENERALIZED = re.compile(
    r"(\d{4})(\d{2})(\d{2})(\d{2})(\d{2})?(\d{2})?(?:[.,]\d+)?(?:Z|([+-])(\d{2})(\d{2})?)", re.ASCII
)


def moment(at: datetime) -> str:
    """`at` as the console keeps it, such as 2026-12-31T00:00:00Z; texts sort as the moments do."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ").rjust(20, "0")


def read_moment(text: str) -> datetime:
    """The moment that `moment` wrote; raises InvalidInput for any other text."""
    try:
        if MOMENT.fullmatch(text):
            return datetime.fromisoformat(text)
    except ValueError:
        pass
    raise InvalidInput(f"“{text[:40]}” is not a moment such as 2026-12-31T00:00:00Z.")


def from_filetime(text: str) -> str:
    """A moment of Active Directory: intervals of 100 ns since 1601; empty for "never".

    0 and the largest number are "never" ([MS-ADA1] 2.1, accountExpires).
    """
    if text in _NEVER:
        return ""
    number = _whole(text, "a moment of Active Directory")
    return _after(_WINDOWS_EPOCH, number // 10_000_000)


def from_unix_day(text: str) -> str:
    """The beginning of a day that is counted from 1970, as shadowExpire is; negative is "never"."""
    number = _whole(text, "a day counted from 1970")
    return "" if number < 0 else _after(_UNIX_EPOCH, number * 86_400)


def from_generalized(text: str) -> str:
    """A GeneralizedTime (RFC 4517 section 3.3.13), to the second."""
    found = _GENERALIZED.fullmatch(text)
    try:
        if found is not None:
            year, month, day, hour, minute, second = (int(part or 0) for part in found.groups()[:6])
            sign, hours, minutes = found.groups()[6:]
            away = timedelta(hours=int(hours or 0), minutes=int(minutes or 0))
            at = datetime(year, month, day, hour, minute, min(second, 59), tzinfo=UTC)
            return moment(at + away if sign == "-" else at - away)
    except (ValueError, OverflowError):
        pass
    raise InvalidInput(f"“{text[:40]}” is not a time such as 20261231235959Z.")


def _whole(text: str, what: str) -> int:
    if not _WHOLE.fullmatch(text):
        raise InvalidInput(f"“{text[:40]}” is not {what}.")
    return int(text)


def _after(epoch: datetime, seconds: int) -> str:
    try:
        return moment(epoch + timedelta(seconds=seconds))
    except OverflowError:
        return ""  # after the year 9999, which is meant for "never"
