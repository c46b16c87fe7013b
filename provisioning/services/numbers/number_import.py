"""Importing numbers from CSV: first a preview, then exactly what was previewed."""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from provisioning.core.account import account_search_key
from provisioning.core.errors import InvalidInput, StalePlan
from provisioning.core.spreadsheet import plain_cell
from provisioning.core.states import State
from provisioning.core.telephone import normalise
from provisioning.core.text import require_line
from provisioning.drivers.base import Kind
from provisioning.models import Account, Number, NumberRange, Pin
from provisioning.services.actor import Actor
from provisioning.services.console import audit
from provisioning.services.numbers.numbers import QUARANTINE
from provisioning.services.numbers.ranges import range_holds
from provisioning.services.push import outbox

COLUMNS = ("number", "account", "state", "note", "range")
MAX_BYTES = 5_000_000
MAX_ROWS = 50_000
_CHUNK = 500
_PIN_REASON = "Imported from CSV"


@dataclass(frozen=True, slots=True)
class ImportRow:
    """One line of the file as it will be done.

    `action` is "add", "change", "none" (it is so already) or "problem"; `problem` says why.
    """

    line: int
    e164: str
    action: str
    state: str = ""
    note: str = ""
    account_id: int | None = None
    aor: str = ""
    problem: str = ""


@dataclass(frozen=True, slots=True)
class ImportPlan:
    """What an import will do; `digest` stands for all of it."""

    rows: tuple[ImportRow, ...]
    digest: str
    counts: dict[str, int] = field(default_factory=dict)

    @property
    def problems(self) -> list[ImportRow]:
        """The lines that cannot be imported."""
        return [row for row in self.rows if row.problem]


@dataclass(frozen=True, slots=True)
class _Line:
    """A readable line of the file: the number is E.164."""

    line: int
    e164: str
    aor: str
    state: str
    note: str


def plan_import(*, text: str, country: str = "") -> ImportPlan:
    """What importing the CSV `text` would do; national numbers are read as those of `country`.

    Columns: number, and any of account (SIP URI), state, note, range (its name). Raises
    InvalidInput when the file as a whole cannot be read; problems of single lines are in the plan.
    """
    ranges = {each.name: each for each in NumberRange.objects.select_related("site")}
    rows: list[ImportRow] = []
    lines: list[_Line] = []
    for number, cells in _read(text):
        try:
            lines.append(_line(number, cells, ranges, country))
        except InvalidInput as error:
            rows.append(ImportRow(number, cells["number"][:40], "problem", problem=error.message))
    seen_numbers: dict[str, int] = {}
    seen_accounts: dict[str, int] = {}
    for start in range(0, len(lines), _CHUNK):
        chunk = lines[start : start + _CHUNK]
        known = _Known(chunk)
        for line in chunk:
            problem = _twice(seen_numbers, line.e164, line) or _twice(seen_accounts, line.aor, line)
            rows.append(_problem(line, problem) if problem else known.decide(line))
    rows.sort(key=lambda row: row.line)
    counts: dict[str, int] = {}
    for row in rows:
        counts[row.action] = counts.get(row.action, 0) + 1
    return ImportPlan(tuple(rows), hashlib.sha256(repr(rows).encode()).hexdigest(), counts)


def import_numbers(*, text: str, country: str = "", digest: str, actor: Actor) -> ImportPlan:
    """Do what the preview with `digest` showed: every good line, in one transaction.

    Raises StalePlan when the same file would do something else by now.
    """
    with transaction.atomic():
        plan = plan_import(text=text, country=country)
        if plan.digest != digest:
            raise StalePlan(
                "Numbers or accounts changed since the preview. Nothing was imported; look at the "
                "new preview and import again."
            )
        todo = [row for row in plan.rows if row.action in ("add", "change")]
        for start in range(0, len(todo), _CHUNK):
            _apply(todo[start : start + _CHUNK], actor)
        outbox.mark_concerned(
            kind=Kind.ALIAS,
            keys=[
                outbox.alias_key(row.e164, row.aor.partition("@")[2])
                for row in todo
                if row.account_id
            ],
        )
        audit.record(actor=actor, action="imported numbers", detail=dict(plan.counts))
    return plan


def _read(text: str) -> Iterator[tuple[int, dict[str, str]]]:
    if len(text.encode()) > MAX_BYTES:
        raise InvalidInput("The file is larger than 5 MB. Nothing was imported; split it.")
    if "\x00" in text:
        raise InvalidInput("The file is not a CSV text. Nothing was imported.")
    text = text.removeprefix("\ufeff")
    # The head names the columns, so it tells the delimiter more surely than csv.Sniffer.
    head = text.partition("\n")[0]
    reader = csv.DictReader(io.StringIO(text), delimiter=max(",;\t", key=head.count))
    names = [plain_cell(name).lower() for name in reader.fieldnames or ()]
    unknown = [name for name in names if name not in COLUMNS]
    if "number" not in names or unknown:
        found = f" Unknown: {', '.join(unknown)[:100]}." if unknown else ""
        raise InvalidInput(
            "The first line must name the columns: number, and any of account, state, note, "
            f"range.{found} Nothing was imported."
        )
    reader.fieldnames = names
    try:
        for count, cells in enumerate(reader):
            if count >= MAX_ROWS:
                raise InvalidInput(f"At most {MAX_ROWS:,} lines at once; split the file.")
            values = {name: plain_cell(cells.get(name) or "") for name in COLUMNS}
            if any(values.values()):
                yield reader.line_num, values
    except csv.Error as error:
        raise InvalidInput(f"Line {reader.line_num} cannot be read: {error}.") from error


def _line(
    number: int, cells: dict[str, str], ranges: dict[str, NumberRange], country: str
) -> _Line:
    wanted = None
    if cells["range"]:
        wanted = ranges.get(cells["range"])
        if wanted is None:
            raise InvalidInput(f"There is no range “{cells['range'][:60]}”.")
    region = wanted.site.country if wanted and wanted.site else country
    e164 = normalise(cells["number"], region)
    if wanted and not range_holds(wanted, e164):
        raise InvalidInput(f"{e164} is not in the range {wanted}.")
    aor = cells["account"].lower().removeprefix("sips:").removeprefix("sip:")
    state = cells["state"].lower() or ("assigned" if aor else "free")
    if state not in Number.State.values:
        raise InvalidInput(f"The state “{state[:40]}” is none of {', '.join(Number.State.values)}.")
    if aor and state not in ("assigned", "reserved"):
        raise InvalidInput(f"A number of an account cannot be {state}.")
    if state == "assigned" and not aor:
        raise InvalidInput("An assigned number needs an account.")
    note = require_line(cells["note"], "The note")
    if len(note) > 200:
        raise InvalidInput("The note is longer than 200 characters.")
    return _Line(number, e164, aor, state, note)


class _Known:
    """What is known about the numbers and accounts of some lines: two queries for all of them."""

    def __init__(self, lines: Sequence[_Line]) -> None:
        aors = {line.aor for line in lines if line.aor}
        numbers = Number.objects.select_related("account").filter(
            Q(e164__in={line.e164 for line in lines}) | Q(account__aor__in=aors)
        )
        self.numbers = {number.e164: number for number in numbers}
        self.numbers_of = {number.account_id: number for number in numbers if number.account_id}
        accounts = Account.objects.filter(aor__in=aors).exclude(state=State.REMOVED)
        self.accounts = {account.aor: account for account in accounts}

    def decide(self, line: _Line) -> ImportRow:
        account = self.accounts.get(line.aor)
        if line.aor and account is None:
            return _problem(line, f"There is no account {line.aor}.")
        number = self.numbers.get(line.e164)
        holder = number.account if number else None
        if holder is not None and (account is None or holder.pk != account.pk):
            return _problem(line, f"{line.e164} belongs to {holder.name} ({holder.aor}).")
        if account is not None:
            other = self.numbers_of.get(account.pk)
            if other is not None and other.e164 != line.e164:
                return _problem(line, f"{account.name} already has the number {other.e164}.")
        same = (
            number is not None
            and (number.account_id, number.state) == (account.pk if account else None, line.state)
            and line.note in ("", number.note)
        )
        action = "none" if same else "change" if number else "add"
        return ImportRow(
            line.line, line.e164, action, line.state, line.note,
            account.pk if account else None, line.aor,
        )  # fmt: skip


def _twice(seen: dict[str, int], value: str, line: _Line) -> str:
    if not value:
        return ""
    first = seen.setdefault(value, line.line)
    return f"{value} stands in line {first} already." if first != line.line else ""


def _problem(line: _Line, problem: str) -> ImportRow:
    return ImportRow(line.line, line.e164, "problem", aor=line.aor, problem=problem)


def _apply(rows: Sequence[ImportRow], actor: Actor) -> None:
    now = timezone.now()
    known = Number.objects.select_for_update().in_bulk(
        [row.e164 for row in rows], field_name="e164"
    )
    changed = []
    for row in rows:
        number = known.get(row.e164) or Number(e164=row.e164)
        number.state, number.account_id = row.state, row.account_id
        number.note = row.note or number.note
        number.used_in_id = None
        quarantined = row.state == Number.State.QUARANTINED
        number.quarantined_until = now + QUARANTINE if quarantined else None
        number.changed_at = now
        changed.append(number)
    columns = ["state", "account", "note", "used_in", "quarantined_until", "changed_at"]
    Number.objects.bulk_update([n for n in changed if n.pk], columns, batch_size=200)
    Number.objects.bulk_create([n for n in changed if not n.pk])
    _apply_to_accounts({row.account_id: row.e164 for row in rows if row.account_id}, actor)


def _apply_to_accounts(numbers: dict[int, str], actor: Actor) -> None:
    now = timezone.now()
    accounts = list(Account.objects.select_for_update().filter(pk__in=numbers))
    for account in accounts:
        e164 = numbers[account.pk]
        account.search_key = account_search_key(account.name, account.aor, e164)
        account.version += 1
        account.changed_at = now
    Account.objects.bulk_update(accounts, ["search_key", "version", "changed_at"], batch_size=200)
    pins = [
        Pin(
            account=account,
            field=Pin.Field.NUMBER,
            value=numbers[account.pk],
            reason=_PIN_REASON,
            by=actor.user,
        )
        for account in accounts
        if account.person_id is not None
    ]
    Pin.objects.bulk_create(
        pins,
        update_conflicts=True,
        unique_fields=["account", "field"],
        update_fields=["value", "reason", "by", "ends_on"],
    )
