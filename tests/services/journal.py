"""A directory in memory that tells what changed, as a server with a journal does."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from provisioning.directory.changes import Changes, ChangesRefused, Start
from provisioning.models import Run
from provisioning.services.directory import poll
from tests.services.company import Company, Directory, Somebody, Team


@dataclass
class Journal:
    """Every state of a directory that somebody asked about; a cookie is the number of one.

    `refuses` is why it does not tell changes; `forgets` are keys whose changes it keeps to itself.
    Where it `follows_moves`, members have other names in a group of which nothing is told.
    """

    directory: Directory
    states: list[dict[str, str]] = field(default_factory=list)
    refuses: str = ""
    forgets: set[str] = field(default_factory=set)
    follows_moves: bool = False

    def begin(self) -> Start:
        """Where changes are read from now on."""
        if self.refuses:
            raise ChangesRefused(self.refuses)
        self.states.append(self._state())
        return Start(str(len(self.states) - 1).encode(), "")

    def read(self, cookie: bytes) -> Changes:
        """What differs from the state of the cookie."""
        if self.refuses:
            raise ChangesRefused(self.refuses)
        before, after = self.states[int(cookie)], self._state()
        self.states.append(after)
        touched = {key for key in before.keys() | after.keys() if before.get(key) != after.get(key)}
        return Changes(
            cookie=str(len(self.states) - 1).encode(),
            touched=frozenset(touched - self.forgets),
            members=frozenset(), present={}, everything="",
        )  # fmt: skip

    def _state(self) -> dict[str, str]:
        people = {one.guid: f"{one.dn} {sorted(one.values.items())}"
                  for one in self.directory.people}  # fmt: skip
        groups = {
            team.guid: f"{team.dn} {team.name} {sorted(map(self._name, team.members))}"
            for team in self.directory.groups
        }
        return people | groups

    def _name(self, member: Somebody | Team | str) -> str:
        if isinstance(member, str):
            return member
        return member.guid if self.follows_moves else member.dn


def keep_journal(monkeypatch: pytest.MonkeyPatch, company: Company) -> Journal:
    """Let the company's source be read by its changes, after a first complete read."""
    journal = Journal(company.directory)
    monkeypatch.setattr(
        "provisioning.services.directory.proof.begin_changes", lambda *_: journal.begin()
    )
    monkeypatch.setattr(
        "provisioning.services.directory.changes.read_changes",
        lambda reader, way, cookie, attributes: journal.read(cookie),
    )
    company.source.mode = "syncrepl"
    company.source.save()
    return journal


def read_changes(company: Company) -> Run | None:
    """One reading of changes, carried out here."""
    company.source.refresh_from_db()
    return poll.read_changes(source=company.source)
