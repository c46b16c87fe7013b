"""Every spelling of a key becomes the same lower-case UUID text."""

from uuid import UUID

import pytest

from provisioning.directory.guid import canonical_guid

TEXT = "12345678-9abc-def0-1122-334455667788"


def test_active_directory_keeps_the_first_fields_in_little_endian() -> None:
    assert canonical_guid("objectguid", [UUID(TEXT).bytes_le]) == TEXT


@pytest.mark.parametrize(
    "value", [TEXT, TEXT.upper(), "12345678-9abcdef0-11223344-55667788", TEXT.replace("-", "")]
)
def test_a_text_is_read_whatever_its_dashes_and_case(value: str) -> None:
    assert canonical_guid("entryuuid", [value.encode()]) == TEXT


@pytest.mark.parametrize(
    ("attribute", "values"),
    [
        ("objectguid", None),
        ("objectguid", []),
        ("objectguid", [TEXT.encode()]),
        ("entryuuid", [b"12345678"]),
        ("entryuuid", [b"\xff" * 32]),
        ("entryuuid", [b"g" * 32]),
    ],
)
def test_what_is_no_key_is_refused(attribute: str, values: list[bytes] | None) -> None:
    with pytest.raises(ValueError, match=r"is missing|instead of 16|is not a UUID"):
        canonical_guid(attribute, values)
