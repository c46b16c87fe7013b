"""What the map makes of a real entry while it is edited: from slapd, with nothing kept."""

from __future__ import annotations

import pytest

from lab.slapd import Slapd
from lab.slapd_entries import ROOT_DN
from provisioning.core.errors import InvalidInput, Rejected
from provisioning.directory.sample import check_photo, read_photo
from provisioning.models import DirectorySource
from provisioning.services.actor import COMMAND_LINE
from provisioning.services.directory.mapping_sample import MappingSample, check_mapping, try_mapping
from provisioning.services.directory.sources import save_source, source_candidate
from provisioning.services.servers import targets
from tests.factories import make_site
from tests.sources import saved_source, slapd_source

pytestmark = pytest.mark.django_db

JPEG = b"\xff\xd8\xff\xe0\x00\x10JFIF" + b"\0" * 500


def sample(
    slapd: Slapd, *, text: str = "", place: int = 0, dn: str = "", **texts: str
) -> MappingSample:
    source = slapd_source(slapd)
    source.disabled_expression = texts.pop("disabled", source.disabled_expression)
    source.mapping |= texts
    return try_mapping(source=source, secret=slapd.bind_password, text=text, place=place, dn=dn)


def somebody(slapd: Slapd) -> str:
    found = sample(slapd)
    assert found.entry is not None
    return found.entry.entry.dn


def test_each_field_shows_its_value_and_where_that_came_from(slapd: Slapd) -> None:
    found = sample(slapd, text="müller", title="upper(title)", custom="first(roomNumber, uid)")
    assert found.entry is not None
    assert "Müller" in found.fields["display_name"].value
    assert found.fields["title"].value.isupper()
    assert found.fields["custom"].why == "roomNumber is empty; uid is taken"
    assert found.fields["disabled"].value == "no"
    assert found.problem == ""


def test_the_entry_is_shown_whole_and_secrets_are_not_even_asked_for(slapd: Slapd) -> None:
    dn = somebody(slapd)
    slapd.modify(dn, {"jpegPhoto": [JPEG], "userPassword": [b"hunter2"]})
    # Whoever may read everything, so that it is the console that leaves passwords alone.
    source = slapd_source(slapd, bind_dn=ROOT_DN)
    found = try_mapping(source=source, secret=slapd.root_password, dn=dn)
    assert found.entry is not None
    shown = dict(found.entry.shown)
    assert shown["jpegPhoto"] == [f"binary, {len(JPEG)} bytes"]
    assert shown["uid"] == [found.fields["login"].value]
    assert len(shown["entryUUID"][0]) == 36
    assert found.entry.hidden == ["userPassword"]
    assert "userpassword" not in found.entry.entry.attributes
    assert "hunter2" not in repr(found)


def test_a_field_that_cannot_be_read_hides_no_other_and_is_marked_at_its_place(
    slapd: Slapd,
) -> None:
    found = sample(slapd, mail="lower(mial", title="userPassword", phone="e164(telephoneNumber")
    assert found.fields["mail"].at == 10
    assert "closing bracket" in found.fields["mail"].problem
    assert "never read" in found.fields["title"].problem
    assert found.fields["login"].value
    assert (
        check_mapping(source=slapd_source(slapd, mapping={"mail": "lower("})).fields["mail"].at == 6
    )


def test_why_the_whole_entry_cannot_be_used_is_said(slapd: Slapd) -> None:
    found = sample(slapd, disabled="bit(employeeNumber, 2)", kind="'robot'")
    assert "kind is “robot”" in found.fields["kind"].problem
    found = sample(slapd, disabled="bit(roomNumber, 2)")
    assert "roomnumber is missing" in found.problem
    assert sample(slapd, kind="'left out'").left_out


def test_the_disabled_that_counts_is_that_of_the_kind(slapd: Slapd) -> None:
    found = sample(slapd, kind="'room'", disabled_room="'yes'", disabled_service="uid")
    assert (found.fields["disabled_room"].value, found.fields["disabled_room"].counts) == (
        "yes",
        True,
    )
    assert not found.fields["disabled"].counts
    assert not found.fields["disabled_service"].counts


def test_numbers_are_read_by_the_country_of_the_site(slapd: Slapd) -> None:
    make_site("Head office", "GB")
    found = sample(slapd, phone="e164('020 7946 0001')", office="'head office'")
    assert found.fields["phone"].value == "+442079460001"
    assert found.fields["phone"].why == "read as a number in GB"


def test_somebody_leafs_through_those_who_were_found_and_begins_again(slapd: Slapd) -> None:
    seen = [sample(slapd, place=place).entry for place in range(3)]
    assert len({one.entry.dn for one in seen if one}) == 3
    one, again = (sample(slapd, text="müller", place=place).entry for place in (0, 49))
    assert one is not None
    assert again is not None
    assert (again.entry.dn, again.place) == (one.entry.dn, 0)


def test_nobody_found_and_nobody_outside_the_filter(slapd: Slapd) -> None:
    assert sample(slapd, text="nobody-is-called-so").entry is None
    assert sample(slapd, dn="dc=corp,dc=example").entry is None
    assert sample(slapd, text="*)(uid=*").entry is None


def test_the_stored_password_is_not_sent_to_another_place(slapd: Slapd) -> None:
    source = saved_source(slapd)
    assert try_mapping(source=source, secret=None).entry is not None
    source.uris = f"{slapd.tls_uri}\nldaps://127.0.0.1:1"
    with pytest.raises((Rejected, InvalidInput), match="no password"):
        try_mapping(source=source, secret=None)
    assert DirectorySource.objects.get().bind_secret() == slapd.bind_password


def test_a_photo_is_read_from_the_entry_of_that_key_only(slapd: Slapd) -> None:
    found = sample(slapd)
    assert found.entry is not None
    dn, guid = found.entry.entry.dn, found.entry.entry.guid
    record = targets.pin_source(
        source_candidate(source=slapd_source(slapd), secret=slapd.bind_password)
    )
    slapd.modify(dn, {"jpegPhoto": [JPEG]})
    assert read_photo(record, "jpegPhoto", dn=dn, guid=guid) == ("image/jpeg", JPEG)
    assert read_photo(record, "jpegPhoto", dn=dn, guid="0" * 36) == ("", b"")
    assert read_photo(record, "photo", dn=dn, guid=guid) == ("", b"")


@pytest.mark.parametrize(
    ("data", "media_type"),
    [
        (JPEG, "image/jpeg"),
        (b"\x89PNG\r\n\x1a\n....", "image/png"),
        (b"GIF89a", ""),
        (b"<svg onload='alert(1)'/>", ""),
        (b"", ""),
        (JPEG + b"\0" * 200_000, ""),
    ],
)
def test_only_small_jpeg_and_png_are_photos(data: bytes, media_type: str) -> None:
    assert check_photo(data) == (media_type, data if media_type else b"")


def test_a_photo_attribute_is_one_name_and_no_password(slapd: Slapd) -> None:
    for name in ("first(jpegPhoto, photo)", "userPassword", "jpegPhoto;binary"):
        source = slapd_source(slapd, photo_attribute=name)
        with pytest.raises(InvalidInput, match="one attribute"):
            save_source(source=source, actor=COMMAND_LINE, secret=slapd.bind_password)
