"""Random histories of a small directory, told step by step."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from provisioning.models import Account, Credential, GroupMember, Number, Person, PlannedChange, Run
from tests.services.company import Company, Somebody

PEOPLE = st.integers(0, 5)
STEP = st.one_of(
    st.tuples(st.just("login"), PEOPLE, st.sampled_from(["ann", "bob", "cid", "dan"])),
    st.tuples(st.just("phone"), PEOPLE, st.sampled_from(["", "1", "2", "3", "x"])),
    st.tuples(st.just("locked"), PEOPLE, st.sampled_from(["", "yes"])),
    st.tuples(st.just("gone"), PEOPLE, st.sampled_from(["", "yes"])),
    st.tuples(st.just("team"), PEOPLE, st.sampled_from(["", "yes"])),
    st.tuples(st.just("sync"), PEOPLE, st.just("")),
)


class Story:
    """Six people of whom each is there or gone, in a group or not."""

    def __init__(self, company: Company) -> None:
        self.company = company
        self.directory = company.directory
        self.directory.people.clear()
        self.directory.groups.clear()
        self.everybody = [self.directory.add(f"p{n}") for n in range(6)]
        self.team = self.directory.group("Team", "cn=nobody,dc=example")

    def tell(self, step: tuple[str, int, str]) -> None:
        """Change the directory, or sync it."""
        what, which, value = step
        one = self.everybody[which]
        if what == "sync":
            self.company.sync()
        elif what == "phone":
            one.set(phone=f"+44207946000{value}" if value.isdigit() else value)
        elif what in ("gone", "team"):
            place: list[Any] = self.directory.people if what == "gone" else self.team.members
            self._put(place, one, there=bool(value) == (what == "team"))
        else:
            one.set(**{what: value})

    def _put(self, place: list[Any], one: Somebody, *, there: bool) -> None:
        if there and one not in place:
            place.append(one)
        elif not there and one in place and (place is self.team.members or len(place) > 1):
            place.remove(one)


def forget_everything() -> None:
    """Begin anew: an example does not see what the one before left."""
    for model in (Number, Credential, Account, GroupMember, Person, PlannedChange, Run):
        model.objects.all().delete()
