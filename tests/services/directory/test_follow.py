"""Following a directory: what changes is read at that moment."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from lab.people import Company as People
from lab.samba import DomainController
from lab.samba_entries import NORMAL, STAFF, quoted
from lab.slapd import Slapd
from lab.slapd_entries import person_dn
from provisioning.core.errors import Busy
from provisioning.directory.presets import DEFAULT_MAPPINGS
from provisioning.models import DirectorySource, Person
from provisioning.services.actor import COMMAND_LINE, SYNC
from provisioning.services.directory import follow as following
from provisioning.services.directory import poll
from provisioning.services.directory.follow import find_followed, follow
from provisioning.services.directory.sources import save_source
from provisioning.services.runs import runs
from tests.factories import make_source
from tests.lab.fixtures import samba
from tests.sources import saved_source

__all__ = ["samba"]

pytestmark = pytest.mark.django_db

PATIENCE = 30.0


class Follower:
    """Follows in this thread while another one changes something; counts the readings."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._read = threading.Event()
        self.refuse = 0
        monkeypatch.setattr(following, "read_changes", self._count)

    def _count(self, *, source: DirectorySource) -> None:
        if self.refuse:
            self.refuse -= 1
            raise Busy("Another sync is under way.")
        poll.read_changes(source=source)
        self._read.set()

    def run(self, source: DirectorySource, change: Callable[[], object]) -> None:
        stop = threading.Event()

        def act() -> None:
            try:
                assert self._read.wait(PATIENCE)
                self._read.clear()
                change()
                self._read.wait(PATIENCE)
            finally:
                stop.set()

        helper = threading.Thread(target=act)
        helper.start()
        follow(source_id=source.pk, stop=stop)
        helper.join()
        assert self._read.is_set(), "The change was not heard."


@pytest.fixture(autouse=True)
def _one_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    """The test's transaction lives on the connection that a thread of its own would renew."""
    monkeypatch.setattr(following, "close_old_connections", lambda: None)


@pytest.fixture
def follower(monkeypatch: pytest.MonkeyPatch) -> Follower:
    """Follows, and knows what was read."""
    return Follower(monkeypatch)


def test_a_change_in_openldap_is_read_when_it_happens(
    slapd: Slapd, people: People, follower: Follower
) -> None:
    source = saved_source(slapd, mode="syncrepl")
    runs.execute_run(run_id=runs.request_sync(source=source, actor=SYNC).pk)
    one = people.people[0]
    follower.refuse = 2  # a run that is under way is waited for
    follower.run(source, lambda: slapd.modify(person_dn(one), {"title": ["Director"]}))
    assert Person.objects.get(login=one.uid).title == "Director"


@pytest.mark.samba
@pytest.mark.parametrize("mode", ["dirsync", "usn"])
def test_a_change_in_active_directory_is_read_when_it_happens(
    samba: DomainController, follower: Follower, mode: str
) -> None:
    branch = f"OU=Followed by {mode},{STAFF}"
    dn = f"CN=followed-{mode},{branch}"
    samba.add(branch, {"objectClass": ["organizationalUnit"]})
    try:
        samba.add(
            dn,
            {
                "objectClass": ["top", "person", "organizationalPerson", "user"],
                "sAMAccountName": [f"followed-{mode}"], "userAccountControl": [str(NORMAL)],
                "unicodePwd": [quoted(samba.person_password)],
            },
        )  # fmt: skip
        preset = DEFAULT_MAPPINGS["active_directory"]
        source = DirectorySource(
            name="Active Directory", kind="active_directory", uris=samba.tls_uri, tls="ldaps",
            ca_pem=samba.ca_file.read_text(), bind_dn=samba.bind_name, person_bases=branch,
            person_filter=preset.person_filter, key_attribute=preset.key_attribute,
            mapping=dict(preset.fields), disabled_expression=preset.disabled, mode=mode,
        )  # fmt: skip
        save_source(source=source, actor=COMMAND_LINE, secret=samba.bind_password)
        runs.execute_run(run_id=runs.request_sync(source=source, actor=SYNC).pk)
        follower.run(source, lambda: samba.modify(dn, {"title": ["Director"]}))
        assert Person.objects.get().title == "Director"
    finally:
        samba.delete(dn)
        samba.delete(branch)


def test_a_server_that_comes_back_is_followed_again(
    slapd: Slapd, people: People, follower: Follower
) -> None:
    source = saved_source(slapd, mode="syncrepl")
    runs.execute_run(run_id=runs.request_sync(source=source, actor=SYNC).pk)
    one = people.people[0]

    def change() -> None:
        slapd.stop()
        slapd.start()
        slapd.modify(person_dn(one), {"title": ["Director"]})

    follower.run(source, change)
    assert Person.objects.get(login=one.uid).title == "Director"


def test_only_sources_that_are_read_by_their_changes_are_followed() -> None:
    make_source(mode="full")
    make_source(mode="syncrepl", enabled=False)
    followed = make_source(mode="syncrepl")
    assert find_followed() == [followed.pk]
    followed.enabled = False
    followed.save()
    follow(source_id=followed.pk, stop=threading.Event())
