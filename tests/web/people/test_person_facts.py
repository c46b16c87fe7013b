"""The page of a person: how the directory says they stand, the manager, the portrait."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from django.test import Client

from lab.slapd import Slapd
from provisioning.services.directory.mapping_sample import try_mapping
from tests.factories import make_person, make_source
from tests.sources import saved_source, slapd_source

pytestmark = pytest.mark.django_db

JPEG = b"\xff\xd8\xff\xe0\x00\x10JFIF" + b"\0" * 500


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({}, "present"),
        ({"disabled": True}, "disabled"),
        ({"expires_at": "2001-02-03T04:05:06Z"}, "expired 3 Feb 2001, 04:05"),
        ({"expires_at": "2901-02-03T04:05:06Z"}, "present, expires 3 Feb 2901, 04:05"),
        ({"locked_out": True, "must_change_password": True},
         "present, locked out, must change password"),
    ],
)  # fmt: skip
def test_disabled_expired_locked_out_and_must_change_are_told_apart(
    as_viewer: Client, values: dict[str, Any], said: str
) -> None:
    person = make_person(**values)
    page = " ".join(as_viewer.get(f"/people/{person.pk}/").content.decode().split())
    assert f"<dt>Standing</dt> <dd> {said} </dd>" in page
    assert said in as_viewer.get(f"/people/{person.pk}/why/").content.decode()


def test_the_manager_is_a_link_where_the_person_is_known(as_viewer: Client) -> None:
    boss = make_person("Bo Boss")
    ann = make_person("Ann", source=boss.source, manager=boss.dn.upper())
    lone = make_person("Lone", manager=boss.dn)
    page = as_viewer.get(f"/people/{ann.pk}/").content.decode()
    assert f'<a href="/people/{boss.pk}/">Bo Boss</a>' in page
    page = as_viewer.get(f"/people/{lone.pk}/").content.decode()
    assert boss.dn in page, "another source's entry of that name is somebody else"
    assert f'href="/people/{boss.pk}/"' not in page


def test_a_room_says_what_kind_of_account_it_has(as_viewer: Client) -> None:
    room = make_person("Big room", kind="room")
    assert "Kind of account" in as_viewer.get(f"/people/{room.pk}/").content.decode()


def test_a_photo_is_asked_for_in_the_directory_and_is_nothing_but_an_image(
    as_viewer: Client, slapd: Slapd
) -> None:
    source = saved_source(slapd, photo_attribute="jpegPhoto")
    found = try_mapping(source=slapd_source(slapd), secret=slapd.bind_password, place=7)
    assert found.entry is not None
    entry = found.entry.entry
    slapd.modify(entry.dn, {"jpegPhoto": [JPEG]})
    person = make_person(source=source, dn=entry.dn, guid=entry.guid)
    url = f"/people/{person.pk}/photo/"
    assert f'hx-get="{url}"' in as_viewer.get(f"/people/{person.pk}/").content.decode()
    response = as_viewer.get(url)
    assert f"data:image/jpeg;base64,{base64.b64encode(JPEG).decode()}" in response.content.decode()
    assert "private" in response["Cache-Control"]
    slapd.modify(entry.dn, {"jpegPhoto": [b"<svg/>"]})
    assert as_viewer.get(url).status_code == 204


def test_no_photo_where_the_directory_is_away_or_none_is_mapped(as_viewer: Client) -> None:
    away = make_source(photo_attribute="jpegPhoto", uris="ldaps://127.0.0.1:1", bind_dn="cn=x")
    for source in (away, make_source()):
        person = make_person(source=source)
        assert as_viewer.get(f"/people/{person.pk}/photo/").status_code == 204
