"""Signing in with a keytab (SASL GSSAPI) to Samba AD, which is its own key distribution centre."""

from __future__ import annotations

import base64
import os
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from lab.kerberos import PRINCIPAL, configure, export_keytab
from lab.samba import DomainController
from lab.samba_entries import STAFF
from provisioning.core.errors import InvalidInput, Rejected, Unreachable
from provisioning.core.records import SourceRecord
from provisioning.directory.conversation import converse
from provisioning.directory.endpoint import endpoints
from provisioning.directory.probe import probe_directory
from provisioning.directory.reader import Reader
from tests.directory.conftest import MakeSource

pytestmark = pytest.mark.samba


@pytest.fixture
def by_keytab(
    samba: DomainController, ad_source: MakeSource, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., SourceRecord]:
    """Makes a source that signs in with the keytab of the bind account."""
    monkeypatch.setenv("KRB5_CONFIG", str(configure(samba, tmp_path)))
    keytab = base64.b64encode(export_keytab(samba, tmp_path)).decode()

    def make(**changes: object) -> SourceRecord:
        values = {"bind_method": "gssapi", "bind_dn": PRINCIPAL, "bind_secret": keytab}
        return ad_source(**{**values, **changes})

    return make


def count(source: SourceRecord) -> int:
    with Reader(source) as reader:
        return sum(len(page) for page in reader.people(("cn",)))


@pytest.mark.parametrize("tls", ["ldaps", "starttls"])
def test_a_keytab_signs_in_to_read_and_to_talk(
    samba: DomainController, by_keytab: Callable[..., SourceRecord], tls: str
) -> None:
    record = by_keytab(uris=(samba.tls_uri if tls == "ldaps" else samba.uri,), tls=tls)
    assert count(record) >= 60
    with converse(record, endpoints(record)[0]) as conversation:
        assert conversation.look_at(STAFF, ["ou"])
    assert [step.text for step in probe_directory(record, ("mail",)) if not step.ok] == []


def test_tickets_of_several_threads_do_not_meet_and_leave_nothing_behind(
    by_keytab: Callable[..., SourceRecord],
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    before, environment = set(tmp_path.iterdir()), dict(os.environ)
    good, unknown = by_keytab(), by_keytab(bind_dn="nobody@CORP.EXAMPLE")

    def sign_in(record: SourceRecord) -> str:
        try:
            return str(count(record) >= 60)
        except Rejected as error:
            return error.message

    with ThreadPoolExecutor(4) as threads:
        answers = list(threads.map(sign_in, [good, unknown] * 4))
    assert answers[::2] == ["True"] * 4
    assert all("nobody@CORP.EXAMPLE" in answer for answer in answers[1::2])
    assert set(tmp_path.iterdir()) <= before
    assert dict(os.environ) == environment


def test_an_older_keytab_is_told_from_what_kerberos_says(
    by_keytab: Callable[..., SourceRecord],
) -> None:
    wrong = base64.b64decode(by_keytab().bind_secret)
    spoiled = base64.b64encode(_spoil_keys(wrong)).decode()
    with pytest.raises(Rejected, match="newer than the keytab"):
        count(by_keytab(bind_secret=spoiled))


def _spoil_keys(keytab: bytes) -> bytes:
    """The keytab with every key turned round (keytab(5), "keytab file format")."""
    out, place = bytearray(keytab[:2]), 2
    while place < len(keytab):
        size = int.from_bytes(keytab[place : place + 4], "big", signed=True)
        entry = bytearray(keytab[place + 4 : place + 4 + abs(size)])
        # The key is what comes last; the version of the key may follow it.
        entry[-20:-4] = entry[-20:-4][::-1]
        out += keytab[place : place + 4] + entry
        place += 4 + abs(size)
    return bytes(out)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"bind_dn": "nobody@CORP.EXAMPLE"}, "Kerberos refused nobody@CORP.EXAMPLE"),
        ({"uris": ("ldaps://10.99.0.1.invalid",)}, "the name is not known"),
    ],
)
def test_what_is_refused_is_explained(
    by_keytab: Callable[..., SourceRecord], changes: dict[str, object], says: str
) -> None:
    with pytest.raises((Rejected, Unreachable), match=says):
        count(by_keytab(**changes))


def test_a_realm_without_a_key_distribution_centre_is_unreachable(
    by_keytab: Callable[..., SourceRecord],
) -> None:
    with pytest.raises((Rejected, Unreachable), match="Kerberos"):
        count(by_keytab(bind_dn="svc-rtcadmin@ELSEWHERE.EXAMPLE"))


def test_what_is_no_keytab_is_refused_before_anybody_is_asked(
    by_keytab: Callable[..., SourceRecord],
) -> None:
    with pytest.raises(InvalidInput, match="not a keytab"):
        count(by_keytab(bind_secret="hunter2"))
