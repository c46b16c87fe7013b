"""Who is registered, as the stores say; with --end, registrations are ended."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db.models import QuerySet

from provisioning.core.errors import Busy, ProvisioningError
from provisioning.management.json_stream import write_object
from provisioning.management.names import find_stores
from provisioning.models import ConfigStore, ContactList, RegisteredContact
from provisioning.services.actor import COMMAND_LINE
from provisioning.services.servers.bare_users import note_ambiguous
from provisioning.services.servers.contact_doubts import is_live
from provisioning.services.servers.contact_lists import read_contacts
from provisioning.services.servers.end_contacts import MOST_AT_ONCE, end_registrations

_FAILED, _UNKNOWN = 1, 2
_PART = 2000


class Command(BaseCommand):
    """`registrations [STORE …] [--of SIP-URI …] [--kept] [--end [--apply]] [--json]`."""

    help = (
        "Read the live registrations of stores and print them. --end shows which of --of would be "
        "ended, and ends them with --apply. Exit status: 0 done; 1 some could not be ended; 2 a "
        "live list is not available, so whoever is missing in it may be registered all the same."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Which stores and addresses, what to do, and how to print."""
        parser.add_argument("stores", nargs="*", metavar="STORE", help="names; all if none")
        parser.add_argument(
            "--of", action="append", metavar="SIP-URI", default=[], help="only of these"
        )
        parser.add_argument("--kept", action="store_true", help="as last read; read nothing now")
        parser.add_argument("--end", action="store_true", help="end those of --of")
        parser.add_argument("--apply", action="store_true", help="with --end: for real")
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        """Read, print, end."""
        if options["end"] and not options["of"]:
            raise CommandError("--end needs --of: whose registrations.", returncode=_FAILED)
        stores = [store for store in find_stores(options["stores"]) if store.servers.exists()]
        for store in () if options["kept"] else stores:
            _read(store)
        lists = list(ContactList.objects.filter(store__in=stores).select_related("store"))
        found = _found(stores, options["of"])
        if options["json"]:
            self._print_json(lists, found)
        else:
            self._print(lists, found)
        if options["end"]:
            self._end(found, apply=options["apply"], quiet=options["json"])
        if sum(each.known for each in lists) < len(stores):
            raise CommandError("Not every live list is available.", returncode=_UNKNOWN)

    def _end(self, found: QuerySet[RegisteredContact], *, apply: bool, quiet: bool) -> None:
        ids = list(found.values_list("pk", flat=True)[: MOST_AT_ONCE + 1])
        if not apply or not ids:
            if not quiet:
                self.stdout.write(f"{len(ids):,} would be ended; --apply does it.")
            return
        try:
            ended = end_registrations(contact_ids=ids, actor=COMMAND_LINE)
        except ProvisioningError as error:
            raise CommandError(error.message, returncode=_FAILED) from error
        if not quiet:
            self.stdout.write(f"{ended.count:,} ended.")
        if ended.problems:
            raise CommandError(
                f"Some may still be alive. {' '.join(ended.problems)}", returncode=_FAILED
            )

    def _print(self, lists: list[ContactList], found: QuerySet[RegisteredContact]) -> None:
        for each in lists:
            count = f"{each.count:,}" if each.known else "the live list is not available"
            self.stdout.write(self.style.MIGRATE_HEADING(f"{each.store}: {count}"))
            if each.problem:
                self.stdout.write(f"  {each.problem}")
        for row in found.iterator(chunk_size=2000):
            until = row.expires_at.strftime("until %H:%M:%S UTC") if row.expires_at else "for good"
            at = row.server or row.store
            self.stdout.write(
                f"{row.aor}  {row.contact}  {row.transport}  {row.user_agent or '-'}  {at}  {until}"
            )

    def _print_json(self, lists: list[ContactList], found: QuerySet[RegisteredContact]) -> None:
        """One object, written row by row: there may be 100,000."""
        stores = [
            {
                "store": str(each.store), "available": each.known, "problem": each.problem,
                "count": each.count,
                "read_at": each.read_at.isoformat() if each.read_at else None,
            }
            for each in lists
        ]  # fmt: skip
        write_object(self.stdout, {"stores": stores}, "registrations", _rows(found))


def _rows(found: QuerySet[RegisteredContact]) -> Iterator[dict[str, Any]]:
    rows = found.iterator(chunk_size=_PART)
    while some := list(islice(rows, _PART)):
        note_ambiguous(some)
        yield from map(_fields, some)


def _read(store: ConfigStore) -> None:
    try:
        read_contacts(store_id=store.pk)
    except Busy:
        return  # a worker reads it this very moment


def _found(stores: list[ConfigStore], aors: list[str]) -> QuerySet[RegisteredContact]:
    rows = RegisteredContact.objects.filter(is_live(), store__in=stores)
    if aors:
        rows = rows.filter(aor__in=[aor.lower().removeprefix("sip:") for aor in aors])
    return rows.select_related("account", "server", "store").order_by("aor", "pk")


def _fields(row: RegisteredContact) -> dict[str, Any]:
    return {
        "aor": row.aor, "account": str(row.account) if row.account else None,
        "may_be": 1 if row.account else row.may_be,
        "contact": row.contact, "received": row.received, "transport": row.transport,
        "user_agent": row.user_agent, "server": str(row.server) if row.server else None,
        "store": str(row.store), "since": row.since.isoformat(),
        "expires_at": row.expires_at.isoformat() if row.expires_at else None,
    }  # fmt: skip
