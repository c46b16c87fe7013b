"""The connection test says of each step what it found, and stops with advice where one fails."""

from __future__ import annotations

import time
from collections.abc import Collection

import pytest

from lab.people import Company
from lab.slapd import Slapd
from lab.slapd_entries import SUFFIX
from provisioning.core.errors import Rejected
from provisioning.core.records import SourceRecord
from provisioning.directory.conversation import find_samples
from provisioning.directory.probe import probe_directory
from provisioning.directory.step import Step
from tests.directory.conftest import MakeSource

STEPS = ["Address", "Connection", "Certificate", "Sign-in", "Bases", "Paging", "Changes",
         "People", "Attributes", "Groups"]  # fmt: skip


def steps_of(
    source: SourceRecord, attributes: Collection[str] = ("uid", "mail")
) -> dict[str, Step]:
    return {step.name: step for step in probe_directory(source, attributes)}


@pytest.mark.parametrize("tls", ["ldaps", "starttls", "none"])
def test_every_step_of_a_working_source_tells_what_it_found(
    slapd: Slapd, source: MakeSource, tls: str
) -> None:
    steps = steps_of(source(uris=(slapd.tls_uri if tls == "ldaps" else slapd.uri,), tls=tls))
    assert list(steps) == STEPS
    assert all(step.ok for step in steps.values())
    assert "cn=rtcadmin" in steps["Sign-in"].detail
    assert steps["People"].text == "60 match the filter."
    assert steps["Attributes"].text == "The key and all 2 attributes can be read."
    if tls == "none":
        assert "can be read on the way" in steps["Certificate"].advice
    else:
        assert "Issuer: CN=rtcadmin lab CA" in steps["Certificate"].detail
        assert steps["Certificate"].advice == ""


@pytest.mark.parametrize(
    ("changes", "last", "says"),
    [
        ({"uris": ("ldaps://nowhere.invalid",)}, "Address", "the name is not known"),
        ({"uris": ("ldapi:///",)}, "Address", "not an address"),
        ({"uris": ("ldaps://127.0.0.1:1",)}, "Connection", "nobody listens there"),
        ({"ca_pem": ""}, "Certificate", "no trusted authority issued it"),
        ({"bind_secret": "wrong"}, "Sign-in", "its password is wrong"),
        ({"bind_secret": ""}, "Sign-in", "no bind DN or no password"),
        ({"bind_dn": "rtcadmin"}, "Sign-in", "not a DN"),
        ({"person_bases": ("ou=Gone,dc=corp,dc=example",)}, "Bases", "does not exist"),
        ({"person_bases": ()}, "Bases", "no base for people"),
        ({"person_filter": "(uid=*"}, "People", "cannot be read"),
        ({"person_filter": "(uid=nobody)"}, "People", "Nobody matches the filter"),
        ({"key_attribute": "objectGUID"}, "Attributes", "is missing or may not be read"),
    ],
)
def test_the_first_step_that_fails_is_the_last(
    source: MakeSource, changes: dict[str, object], last: str, says: str
) -> None:
    steps = list(probe_directory(source(**changes), ("uid",)))
    assert [step.name for step in steps] == STEPS[: STEPS.index(last) + 1]
    assert [step.ok for step in steps] == [True] * (len(steps) - 1) + [False]
    assert says in steps[-1].text


def test_a_wrong_base_is_answered_with_those_that_exist(source: MakeSource) -> None:
    steps = steps_of(source(group_bases=("dc=elsewhere",)))
    assert SUFFIX in steps["Bases"].detail.splitlines()


def test_an_attribute_that_nobody_shows_is_named(source: MakeSource) -> None:
    step = steps_of(source(), ("uid", "pager"))["Attributes"]
    assert step.ok
    assert step.detail.splitlines()[1:] == ["pager"]
    assert step.advice == ""


def test_an_attribute_that_people_have_and_the_bind_account_may_not_read_is_a_warning(
    slapd: Slapd, source: MakeSource
) -> None:
    slapd.hide("telephoneNumber")
    step = steps_of(source(), ("uid", "telephoneNumber"))["Attributes"]
    assert "telephonenumber: give the bind account the right" in step.advice


def test_an_attribute_that_the_schema_does_not_have_is_a_warning(source: MakeSource) -> None:
    step = steps_of(source(), ("uid", "telefoneNumber"))["Attributes"]
    assert "spelling of telefonenumber" in step.advice


def test_whether_the_directory_tells_what_changed_is_tried(
    slapd: Slapd, source: MakeSource
) -> None:
    assert steps_of(source())["Changes"].text == (
        "What changed can be asked for by syncrepl (RFC 4533)."
    )
    slapd.forget_syncprov()
    step = steps_of(source())["Changes"]
    assert step.ok
    assert "everything is read each time" in step.text
    assert "syncprov" in step.advice


def test_every_step_tells_how_long_it_took(slapd: Slapd, source: MakeSource) -> None:
    slapd.process.pause()
    *_, last = probe_directory(source(connect_timeout=0.3))
    assert 250 <= last.milliseconds < 15_000


def test_lost_read_rights_show(slapd: Slapd, source: MakeSource) -> None:
    slapd.allow_reads(False)
    assert not list(probe_directory(source()))[-1].ok


def test_a_stopped_server_is_given_up_in_time(slapd: Slapd, source: MakeSource) -> None:
    slapd.process.pause()
    began = time.monotonic()
    *_, last = probe_directory(source(connect_timeout=0.5))
    assert time.monotonic() - began < 15
    assert (last.name, last.ok) == ("Certificate", False)
    assert "no answer in time" in last.text


def test_the_other_servers_are_tested_too(slapd: Slapd, source: MakeSource) -> None:
    localhost = f"ldaps://localhost:{slapd.tls_port}"
    steps = steps_of(source(uris=(slapd.tls_uri, "ldaps://127.0.0.1:1", localhost)))
    assert list(steps) == [*STEPS, "ldaps://127.0.0.1:1", localhost]
    assert not steps["ldaps://127.0.0.1:1"].ok
    assert steps[localhost].ok


def test_a_server_that_is_down_does_not_keep_the_next_from_being_tested(
    slapd: Slapd, source: MakeSource
) -> None:
    steps = steps_of(source(uris=("ldaps://127.0.0.1:1", slapd.tls_uri)))
    assert not steps["Connection"].ok
    assert steps[f"{slapd.tls_uri}: Certificate"].ok
    assert steps["Groups"].ok


def test_a_size_limit_fails_the_count_with_advice(slapd: Slapd, source: MakeSource) -> None:
    slapd.limit_reads(20)
    *_, last = probe_directory(source())
    assert (last.name, last.ok) == ("People", False)
    assert "Raise the limit" in last.text


def test_samples_are_found_by_part_of_a_name_and_hold_what_is_asked(
    source: MakeSource, people: Company
) -> None:
    person = people.people[2]
    (found,) = find_samples(source(), ("uid", "cn"), person.mail)
    assert found.attributes["uid"] == [person.uid.encode()]
    assert found.attributes.keys() == {"uid", "cn", "entryuuid"}
    assert len(find_samples(source(), ("uid",), limit=3)) == 3
    # Asked for in pages of nine.
    assert len(find_samples(source(), ("uid",), limit=40)) == 40


@pytest.mark.parametrize("text", ["*)(uid=*", "*", "(", ")", "\\", "&"])
def test_what_is_typed_into_the_search_stays_a_text(source: MakeSource, text: str) -> None:
    found = find_samples(source(), ("cn",), text, limit=60)
    assert all(text in entry.attributes["cn"][0].decode() for entry in found)


def test_samples_need_a_password(source: MakeSource) -> None:
    with pytest.raises(Rejected, match="no password"):
        find_samples(source(bind_secret=""), ("uid",))
