"""Moments in every notation of directories."""

from __future__ import annotations

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from provisioning.core.errors import InvalidInput
from provisioning.core.moments import (
    from_filetime,
    from_generalized,
    from_unix_day,
    moment,
    read_moment,
)


@given(st.integers(0, 200_000_000_000))
def test_a_moment_survives_every_notation(seconds: int) -> None:
    at = datetime.fromtimestamp(seconds, UTC)
    ticks = int((at - datetime(1601, 1, 1, tzinfo=UTC)).total_seconds()) * 10_000_000
    assert read_moment(from_filetime(str(ticks))) == at
    assert read_moment(from_generalized(f"{at:%Y%m%d%H%M%S}.0Z")) == at
    assert read_moment(moment(at)) == at


@given(st.text(max_size=30) | st.text("0123456789.Z+-", max_size=20))
def test_any_text_is_a_moment_or_refused(text: str) -> None:
    for read in (from_filetime, from_generalized, from_unix_day):
        try:
            found = read(text)
        except InvalidInput:
            continue
        if found:
            read_moment(found)
