"""Who may be somebody of another source already: no second account before somebody decides."""

from __future__ import annotations

from collections.abc import Sequence

from provisioning.models import Apart, Joining, Person
from provisioning.services.rules.decide import PersonView

HELD_BY = {"employee_id": "employee ID", "mail": "mail"}
DOUBT = "this may be one person with two entries"
# Person, source, name.
_Entry = tuple[int, int, str]


class Lookalikes:
    """Finds, for a person without an account, an entry of another source that shares a field.

    Which fields, an administrator says (`Joining.holds`); without any it costs one query. What
    others have is read when it is first asked for: about 0.2 kB for each of them.
    """

    def __init__(self) -> None:
        joining = Joining.objects.first()
        self._fields = [name for name in (joining.holds if joining else ()) if name in HELD_BY]
        self._entries: dict[tuple[str, str], list[_Entry]] | None = None
        self._apart: set[tuple[int, int]] = set()

    def doubt(self, person: PersonView) -> str:
        """Why the person gets no account yet, in words; empty for no reason."""
        if not self._fields:
            return ""
        for name in self._fields:
            value = str(person.values[name]).strip().casefold()
            for other, source, who in self._having(name, value):
                if self._is_other(person, other, source):
                    return (
                        f"{who} has the same {HELD_BY[name]}, so {DOUBT}. Join them, or say that "
                        "they are two people; until then there is no second account."
                    )
        return ""

    def _having(self, name: str, value: str) -> Sequence[_Entry]:
        if not value:
            return ()
        if self._entries is None:
            self._entries = self._read()
            self._apart = set(Apart.objects.values_list("one_id", "other_id"))
        return self._entries.get((name, value), ())

    def _read(self) -> dict[tuple[str, str], list[_Entry]]:
        found: dict[tuple[str, str], list[_Entry]] = {}
        rows = Person.objects.filter(left_at=None).values_list(
            "pk", "same_as_id", "source_id", "display_name", "login", "source__name", *self._fields
        )
        for pk, owner, source, name, login, of, *values in rows.iterator(chunk_size=10_000):
            for field, value in zip(self._fields, values, strict=True):
                if key := value.strip().casefold():
                    entry = (owner or pk, source, f"{name or login} ({login}, {of})")
                    found.setdefault((field, key), []).append(entry)
        return found

    def _is_other(self, person: PersonView, other: int, source: int) -> bool:
        """Whether the entry is somebody else's, in a source where the person has none."""
        if any(source == mine for mine, _ in person.places) or other == person.person_id:
            return False
        pair = sorted((other, person.person_id or 0))
        return (pair[0], pair[1]) not in self._apart
