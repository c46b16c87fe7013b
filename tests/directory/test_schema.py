"""The attribute picker's list: names and words of the schema, what people have, never secrets."""

from __future__ import annotations

import pytest

from provisioning.core.records import SourceRecord
from provisioning.directory.conversation import converse
from provisioning.directory.endpoint import endpoints
from provisioning.directory.schema import Attribute, read_attributes
from tests.directory.conftest import MakeSource


def attributes_of(source: SourceRecord) -> dict[str, Attribute]:
    with converse(source, endpoints(source)[0]) as conversation:
        return {each.name: each for each in read_attributes(source, conversation)}


def test_what_people_have_comes_first_with_a_value_and_the_schemas_words(
    source: MakeSource,
) -> None:
    found = attributes_of(source())
    mail = found["mail"]
    assert (mail.seen, mail.looked_at) == (20, 20)
    assert "@" in mail.example
    assert found["pager"].seen == 0
    assert "RFC" in found["telephoneNumber"].description
    names = list(found)
    assert names.index("mail") < names.index("pager")


def test_operational_attributes_are_there_and_secret_ones_are_not(source: MakeSource) -> None:
    found = {name.lower() for name in attributes_of(source())}
    assert {"entryuuid", "memberof"} <= found
    assert found.isdisjoint({"userpassword", "authpassword", "pwdhistory"})


@pytest.mark.samba
def test_active_directory_shows_its_schema_too(ad_source: MakeSource) -> None:
    found = attributes_of(ad_source())
    assert found["sAMAccountName"].seen == found["sAMAccountName"].looked_at > 0
    assert "extensionAttribute1" in found or "ipPhone" in found
    assert "unicodePwd" not in found
