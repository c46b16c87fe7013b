"""Accounts: listed, and with --apply blocked, restored, given numbers and credentials, made."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.db import transaction
from django.db.models import QuerySet

from provisioning.core.errors import InvalidInput, ProvisioningError, UnsafePlan
from provisioning.core.limits import Category
from provisioning.core.spreadsheet import csv_lines
from provisioning.core.states import State
from provisioning.core.text import counted
from provisioning.management import account_acts
from provisioning.management.account_choice import add_filter, filter_accounts, find_account
from provisioning.management.any_order import AnyOrderCommand
from provisioning.management.names import a_day
from provisioning.models import Account, Pin
from provisioning.services.accounts.at_risk import Toll, weigh
from provisioning.services.accounts.blocks import MOST_AT_ONCE

_LIMIT_PASSED = 2
_EXAMPLES = 20
# What acts change, told as it was before and is after.
_MOVING = ("account", "state", "number")
_KINDS = [kind for kind in Account.Kind.values if kind != Account.Kind.PERSON]
# What is done: the act, and what became of the accounts, in words.
_ACTS: dict[str, tuple[account_acts.Act, str]] = {
    "block": (account_acts.block, "blocked"),
    "unblock": (account_acts.unblock, "unblocked"),
    "renew": (account_acts.renew, "given new credentials"),
    "restore": (account_acts.restore, "restored"),
    "number": (account_acts.number, "given another number"),
    "rename": (account_acts.rename, "renamed"),
    "unpin": (account_acts.unpin, "left to rules and directory"),
    "remove": (account_acts.remove, "removed"),
    "create": (account_acts.create, "created"),
}
_COLUMNS = (
    "account", "name", "kind", "state", "number", "user_name", "site", "pool", "rule", "profile",
    "responsible", "ends_on", "blocked_reason", "state_since", "changed",
)  # fmt: skip
_COUNTED = {"block": Category.SERVICE, "renew": Category.CREDENTIAL}


class Command(AnyOrderCommand):
    """`accounts (list | block | unblock | renew | restore | number | …) [NAME …] [--apply]`."""

    help = (
        "List accounts, block and unblock them, give them new credentials, a number or another SIP "
        "URI, restore who left, end pins; create and remove accounts without a person. Dry unless "
        "--apply. "
        "Exit status: 0 done, 1 not possible, 2 a limit is passed."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """What to do with whom, for real or not, and how to print."""
        parser.add_argument("action", choices=("list", *_ACTS))
        parser.add_argument("accounts", nargs="*", metavar="NAME",
                            help="user names, SIP URIs or numbers")  # fmt: skip
        add_filter(parser, default="all but removed ones")
        parser.add_argument("--reason", default="", metavar="TEXT", help="why it is done")
        parser.add_argument(
            "--until", type=a_day, metavar="DAY",
            help="restore: until then; create: the last day of the account",
        )  # fmt: skip
        parser.add_argument("--number", metavar="NUMBER", help="number, create: the number")
        parser.add_argument("--release", action="store_true", help="number: take it away")
        parser.add_argument("--free", action="store_true", help="with --release: free at once")
        parser.add_argument("--kind", choices=_KINDS, help="create: what it is for")
        parser.add_argument("--name", help="create: its name")
        parser.add_argument(
            "--user-part", metavar="NAME", help="create, rename: what stands before the @"
        )
        parser.add_argument(
            "--alias-days", type=int, default=0, metavar="N",
            help="rename: so long the former SIP URI leads on",
        )  # fmt: skip
        parser.add_argument(
            "--pin", choices=Pin.Field.values, help="unpin: only this value; all without"
        )
        parser.add_argument("--domain", help="create: its SIP domain")
        parser.add_argument("--pool", help="create: its home pool")
        parser.add_argument("--site", help="create: its site")
        parser.add_argument("--profile", help="create: its client profile")
        parser.add_argument("--responsible", default="", help="create: somebody responsible")
        parser.add_argument("--apply", action="store_true", help="do it")
        parser.add_argument("--approve", action="store_true", help="though a limit is passed")
        form = parser.add_mutually_exclusive_group()
        form.add_argument("--json", action="store_true", help="print JSON")
        form.add_argument("--csv", action="store_true", help="list: print CSV")

    def handle(self, *args: Any, **options: Any) -> None:
        """List them, or act."""
        try:
            if options["action"] == "list":
                return self._list(_chosen(options), options)
            self._act(options)
        except UnsafePlan as error:
            raise CommandError(error.message, returncode=_LIMIT_PASSED) from error
        except ProvisioningError as error:
            raise CommandError(error.message) from error
        return None

    def _list(self, rows: QuerySet[Account], options: dict[str, Any]) -> None:
        rows = rows.select_related(
            "person", "number", "site", "pool", "domain", "rule", "profile"
        ).order_by("aor", "pk")
        told = (_told(row) for row in rows.iterator(chunk_size=2000))
        if options["json"]:
            for each in told:
                self.stdout.write(json.dumps(each, ensure_ascii=False))
        elif options["csv"]:
            for line in csv_lines(_cells(told)):
                self.stdout.write(line, ending="")
        else:
            for each in told:
                self.stdout.write(
                    f"{each['account']}  {each['state']}  {each['kind']}  {each['number'] or '-'}  "
                    f"{each['pool']}  {each['name']}"
                )

    def _act(self, options: dict[str, Any]) -> None:
        act, done = _ACTS[options["action"]]
        ids = _ids(options)
        category = _COUNTED.get(options["action"])
        toll = weigh(category=category, account_ids=ids) if category else Toll(0, ())
        held = bool(toll.breaches) and not options["approve"]
        applies = options["apply"] and not held
        before = _standing(ids)
        touched, after = ids, before
        if not held:
            # Without --apply it is done and taken back, so that what would be refused is told.
            with transaction.atomic():
                touched = act(ids, options)
                after = _standing(touched)
                transaction.set_rollback(not applies)
        told = [
            {**now, "before": {name: before[pk][name] for name in _MOVING} if pk in before else {}}
            for pk, now in after.items()
        ]
        if options["json"]:
            answer = {
                "action": options["action"], "count": len(touched), "accounts": told,
                "working": toll.working, "limits": list(toll.breaches), "dry": not applies,
            }  # fmt: skip
            self.stdout.write(json.dumps(answer, ensure_ascii=False, indent=2))
        else:
            self._say(told, toll, done if applies else f"would be {done}", dry=not applies)
        if held:
            raise CommandError(
                "A limit is passed: add --approve if it is meant. Nothing was changed.",
                returncode=_LIMIT_PASSED,
            )

    def _say(self, told: list[dict[str, Any]], toll: Toll, verb: str, *, dry: bool) -> None:
        for each in told[:_EXAMPLES]:
            words = ", ".join(filter(None, (_moved(each, name) for name in _MOVING)))
            self.stdout.write(f"{each['name']} (sip:{each['account']}): {words}")
        if len(told) > _EXAMPLES:
            self.stdout.write(f"and {len(told) - _EXAMPLES:,} more")
        works = f"; {toll.working:,} of them can register now" if toll.working > 1 else ""
        self.stdout.write(f"{counted(len(told), 'account')} {verb}{works}.")
        for breach in toll.breaches:
            self.stdout.write(breach)
        if dry:
            self.stdout.write("Nothing was changed; add --apply.")


def _chosen(options: dict[str, Any]) -> QuerySet[Account]:
    """Those that are named, or all that the filter lets through."""
    rows = Account.objects.all()
    if options["accounts"]:
        rows = rows.filter(pk__in=[find_account(name).pk for name in options["accounts"]])
    if not any(given.startswith("state=") for given in options["filter"]):
        rows = rows.exclude(state=State.REMOVED)
    return filter_accounts(rows, options["filter"])


def _ids(options: dict[str, Any]) -> Sequence[int]:
    """Whom an act is about; one more than it may be at once at most."""
    named = bool(options["accounts"] or options["filter"])
    if options["action"] == "create":
        if named:
            raise InvalidInput("A new account is described by options. Nothing was created.")
        return []
    if not named:
        raise InvalidInput("Name accounts, or say which with --filter. Nothing was changed.")
    ids = list(_chosen(options).order_by("pk").values_list("pk", flat=True)[: MOST_AT_ONCE + 1])
    if not ids:
        raise InvalidInput("No account matches. Nothing was changed.")
    return ids


def _standing(ids: Sequence[int]) -> dict[int, dict[str, str]]:
    """SIP URI, name, state and number of each of at most a thousand."""
    rows = Account.objects.filter(pk__in=ids).order_by("aor")
    return {
        pk: {"account": aor, "name": name, "state": state, "number": e164 or ""}
        for pk, aor, name, state, e164 in rows.values_list(
            "pk", "aor", "name", "state", "number__e164"
        )
    }


def _moved(each: dict[str, Any], name: str) -> str:
    """The state or number, with what it was before where that was something else."""
    before, now = each["before"].get(name, each[name]), each[name]
    if before == now:
        # The SIP URI stands before already.
        return "" if name == "account" else str(now)
    return f"{before or 'none'} → {now or 'none'}"


def _told(row: Account) -> dict[str, Any]:
    has = getattr(row, "number", None)
    return {
        "account": row.aor,
        "name": row.name,
        "kind": row.kind,
        "state": row.state,
        "number": has.e164 if has else "",
        "user_name": row.person.login if row.person else "",
        "site": str(row.site or ""),
        "pool": str(row.pool),
        "rule": str(row.rule or ""),
        "profile": str(row.profile or ""),
        "responsible": row.responsible,
        "ends_on": row.ends_on.isoformat() if row.ends_on else "",
        "blocked_reason": row.blocked_reason,
        "state_since": row.state_since.isoformat(timespec="seconds"),
        "changed": row.changed_at.isoformat(timespec="seconds"),
    }


def _cells(told: Iterator[dict[str, Any]]) -> Iterator[Sequence[str]]:
    """A head, and the cells of each."""
    yield _COLUMNS
    for each in told:
        yield [each[name] for name in _COLUMNS]
