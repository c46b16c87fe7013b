"""A console set up from one document: sites, stores, sources, rules, … that name each other.

The document is a JSON object of sections; a section is a list of entries; an entry has the fields
of its model. Entries are found by name, so that applying a document again changes nothing.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.core.exceptions import ValidationError
from django.db import models, transaction

from provisioning.core.errors import InvalidFields, InvalidInput, ProvisioningError
from provisioning.models import DirectoryGroup, DirectorySource, SipDomain
from provisioning.services.console import saving
from provisioning.services.console.setup_sections import NOT_GIVEN, SECTIONS, Entry, Section
from provisioning.services.directory.source_identity import secret_text

_FILE = "_file"
_SECRET = "secret"  # noqa: S105 - the name of a key
_WORDS = {str: "text", int: "a whole number", bool: "true or false", dict: "an object"}
# By which field others name it, where that is not its name.
_NAME_OF: dict[type[models.Model], str] = {SipDomain: "domain"}


@dataclass(frozen=True, slots=True)
class Applied:
    """What became of an entry: `action` is created, changed, unchanged or waiting.

    A waiting entry names a group that nobody can know before its source is read for the first time.
    """

    section: str
    name: str
    action: str
    detail: str = ""


class _Waiting(Exception):
    """The entry names a group of a source that was never read."""


def read_setup(file: Path) -> dict[str, Any]:
    """The document in `file`; raises InvalidInput that says where it cannot be read."""
    try:
        document = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise InvalidInput(f"{file} cannot be read: {error.strerror}.") from error
    except ValueError as error:
        raise InvalidInput(f"{file} is not JSON: {error}.") from error
    if not isinstance(document, dict):
        raise InvalidInput(f"{file} must hold one JSON object of sections.")
    return document


def apply_setup(*, document: Mapping[str, Any], folder: Path, dry: bool) -> list[Applied]:
    """Make the console what `document` says; entries that it does not name are left alone.

    Everything or nothing: raises InvalidInput with one line per fault, each naming entry and field,
    and nothing is kept then. `dry` checks everything, the managed stores included, and keeps
    nothing. Files that entries name stand relative to `folder`.
    """
    unknown = sorted(document.keys() - SECTIONS.keys())
    if unknown:
        raise InvalidInput(
            f"There is no section {', '.join(unknown)}. There are: {', '.join(SECTIONS)}."
        )
    done: list[Applied] = []
    with transaction.atomic():
        for name, section in SECTIONS.items():
            done += _Applying(name, section, folder).entries(document.get(name, []))
        transaction.set_rollback(dry)
    return done


class _Applying:
    """The entries of one section."""

    def __init__(self, name: str, section: Section, folder: Path) -> None:
        self.name, self.section, self.folder = name, section, folder

    def entries(self, entries: object) -> Iterator[Applied]:
        """Apply all of them; the faults of a section are told together."""
        if not isinstance(entries, list) or not all(isinstance(each, dict) for each in entries):
            raise InvalidInput(f"{self.name} must be a list of JSON objects.")
        faults: list[str] = []
        for place, entry in enumerate(entries, start=1):
            label = self._label(entry) or f"number {place}"
            try:
                with transaction.atomic():
                    action, detail = self._apply(entry)
            except _Waiting as waiting:
                yield Applied(self.name, label, "waiting", str(waiting))
            except InvalidFields as error:
                faults += [
                    f"{self.name}, {label}, {field}: {text}" for field, text in error.fields.items()
                ]
            except ProvisioningError as error:
                faults.append(f"{self.name}, {label}: {error.message}")
            else:
                yield Applied(self.name, label, action, detail)
        if faults:
            raise InvalidInput("\n".join(faults))

    def _apply(self, entry: Entry) -> tuple[str, str]:
        values, secret = self._values(entry)
        identity = {field: values.get(field) for field in self.section.identity}
        missing = [field for field, value in identity.items() if value in (None, "")]
        if missing:
            raise InvalidFields(dict.fromkeys(missing, "It is missing."))
        before = self.section.model._default_manager.filter(**identity).first()
        row = saving.find_stored(before) if before else None
        if row is None:
            row = self.section.model(**self.section.start(entry))
        for field, value in values.items():
            setattr(row, field, value)
        new_secret = secret is not None and not self._holds(before, secret)
        if before is not None and not new_secret and not _changed(before, row):
            return "unchanged", ""
        self.section.save(row, secret)
        if before is None:
            return "created", ""
        changed = _changed(before, row) + ([_SECRET] if new_secret else [])
        # A value that only looked different: what the service did for it is undone.
        transaction.set_rollback(not changed)
        return ("changed", ", ".join(changed)) if changed else ("unchanged", "")

    def _holds(self, row: models.Model | None, secret: str) -> bool:
        secret_of = self.section.secret_of
        return row is not None and secret_of is not None and secret_of(row) == secret

    def _values(self, entry: Entry) -> tuple[dict[str, Any], str | None]:
        values: dict[str, Any] = {}
        secret: str | None = None
        faults: dict[str, str] = {}
        for key, given in entry.items():
            try:
                name, value = self._from_file(key, given)
                if name == _SECRET and self.section.secret_of is not None:
                    secret = value.strip("\r\n")
                else:
                    values[name] = self._value(name, value, entry)
            except (InvalidInput, ValidationError) as error:
                faults[key] = getattr(error, "message", "") or " ".join(error.messages)  # type: ignore[union-attr]
        if faults:
            raise InvalidFields(faults)
        return values, secret

    def _from_file(self, key: str, given: Any) -> tuple[str, Any]:
        """The field that `key` means and its value; `x_file` takes the field x from a file."""
        if key == _SECRET:
            raise InvalidInput("A secret stands in a file of its own; name it in “secret_file”.")
        if not key.endswith(_FILE):
            return key, given
        if not isinstance(given, str):
            raise InvalidInput("The path of a file is text.")
        file = self.folder / given
        name = key.removesuffix(_FILE)
        try:
            content = file.read_bytes()
            return name, secret_text(content) if name == _SECRET else content.decode()
        except (OSError, ValueError) as error:
            raise InvalidInput(f"{file} cannot be read.") from error

    def _value(self, name: str, given: Any, entry: Entry) -> Any:
        field = self.section.fields.get(name)
        if field is None:
            raise InvalidInput(f"There is no such field. There are: {', '.join(self._known())}.")
        if isinstance(field, models.ForeignKey):
            return None if given is None else _find(field.related_model, given, entry)
        if isinstance(field, models.TextField) and isinstance(given, list):
            given = "\n".join(map(str, given))
        if isinstance(field, models.JSONField):
            wanted: type = dict
        elif isinstance(field, models.BooleanField):
            wanted = bool
        else:
            wanted = int if isinstance(field, models.IntegerField) else str
        if given is not None and type(given) is not wanted:
            raise InvalidInput(f"It must be {_WORDS[wanted]}.")
        return field.to_python(given)

    def _known(self) -> list[str]:
        return [*self.section.fields, *(["secret_file"] if self.section.secret_of else [])]

    def _label(self, entry: Entry) -> str:
        named = (entry.get(field) for field in self.section.identity)
        return " / ".join(f"“{each}”" for each in named if each)


def _changed(before: models.Model, after: models.Model) -> list[str]:
    return [label for label in saving.changes(before, after) if label not in NOT_GIVEN]


def _find(model: Any, given: Any, entry: Entry) -> models.Model:
    if not isinstance(given, str):
        raise InvalidInput("Name it, as text.")
    if model is DirectoryGroup:
        return _find_group(given, entry.get("source"))
    found: models.Model | None = model.objects.filter(
        **{_NAME_OF.get(model, "name"): given}
    ).first()
    if found is None:
        raise InvalidInput(f"There is no {model._meta.verbose_name} “{given}”.")
    return found


def _find_group(given: str, source: str | None) -> DirectoryGroup:
    """The one group with that name or DN, of `source` where the entry names one."""
    sources = DirectorySource.objects.all()
    if source is not None:
        sources = sources.filter(name=source)
    groups = DirectoryGroup.objects.filter(source__in=sources, left_at__isnull=True)
    found = list(groups.filter(models.Q(name=given) | models.Q(dn__iexact=given))[:2])
    if len(found) == 1:
        return found[0]
    if found:
        raise InvalidInput(f"Several groups are called “{given}”; give the DN of one.")
    unread = sources.filter(last_complete_at__isnull=True).first()
    if unread is not None:
        raise _Waiting(f"The group “{given}” can be found once {unread} was read.")
    raise InvalidInput(f"There is no group “{given}”.")
