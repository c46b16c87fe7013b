"""Signing in with a client certificate (SASL EXTERNAL), to read in bulk and to talk."""

from __future__ import annotations

import pytest

from lab.authority import Authority
from lab.slapd import Slapd
from lab.slapd_entries import BIND_DN
from provisioning.core.errors import InvalidInput, ProvisioningError, Rejected
from provisioning.core.records import SourceRecord
from provisioning.directory.conversation import converse
from provisioning.directory.endpoint import endpoints
from provisioning.directory.probe import probe_directory
from provisioning.directory.reader import Reader
from tests.directory.conftest import MakeSource


def by_certificate(source: SourceRecord, authority: Authority, name: str) -> dict[str, object]:
    leaf = authority.leaf(name)
    return {
        "bind_method": "external",
        "bind_dn": "",
        "client_certificate": leaf.certificate.read_text(),
        "bind_secret": leaf.key.read_text(),
    }


def count(source: SourceRecord) -> int:
    with Reader(source) as reader:
        return sum(len(page) for page in reader.people(("uid",)))


@pytest.mark.parametrize("tls", ["ldaps", "starttls"])
def test_a_client_certificate_signs_in_to_read_and_to_talk(
    slapd: Slapd, source: MakeSource, authority: Authority, tls: str
) -> None:
    uri = slapd.tls_uri if tls == "ldaps" else slapd.uri
    record = source(uris=(uri,), tls=tls, **by_certificate(source(), authority, "rtcadmin"))
    assert count(record) == 60
    with converse(record, endpoints(record)[0]) as conversation:
        assert conversation.who_am_i().lower() == f"dn:{BIND_DN.lower()}"
    assert all(step.ok for step in probe_directory(record))


def test_a_certificate_that_no_rule_names_reads_nothing(
    source: MakeSource, authority: Authority
) -> None:
    """slapd lets it in as nobody of the tree, whom it shows nothing."""
    record = source(**by_certificate(source(), authority, "stranger"))
    *_, last = probe_directory(record)
    assert not last.ok
    assert last.name == "Bases"


def test_a_certificate_of_another_authority_is_refused(
    source: MakeSource, tmp_path_factory: pytest.TempPathFactory
) -> None:
    other = Authority(tmp_path_factory.mktemp("other"))
    record = source(**by_certificate(source(), other, "rtcadmin"))
    with pytest.raises(ProvisioningError, match="certificate"), Reader(record):
        pass


def test_a_key_of_another_certificate_is_told_before_anything_is_sent(
    source: MakeSource, authority: Authority
) -> None:
    values = by_certificate(source(), authority, "rtcadmin")
    values["bind_secret"] = authority.leaf("slapd").key.read_text()
    with pytest.raises(InvalidInput, match="do not belong together"), Reader(source(**values)):
        pass


def test_a_client_certificate_needs_tls(source: MakeSource, authority: Authority) -> None:
    values = by_certificate(source(), authority, "rtcadmin")
    with pytest.raises(Rejected, match="needs an encrypted connection"), \
            Reader(source(**values, tls="none")):  # fmt: skip
        pass
