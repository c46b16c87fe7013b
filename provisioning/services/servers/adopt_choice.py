"""Which accounts of an existing store shall be adopted, and which of those can be."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING

from provisioning.core.errors import InvalidInput
from provisioning.core.sip import ImportedDigest, algorithm_of, ha1
from provisioning.core.states import State
from provisioning.drivers.base import AliasRow, ForeignAccount, Kind, StoreDriver, SubscriberRow
from provisioning.models import Account, ConfigStore, OwnedRow, SipDomain
from provisioning.services.bulk import among
from provisioning.services.directory.nesting import find_owners
from provisioning.services.directory.people_index import Match, PeopleIndex, Traces
from provisioning.services.servers.scope import within_scope

if TYPE_CHECKING:
    from provisioning.models import DirectoryGroup

BATCH = 1000

BY_ADDRESS = "SIP URI"
MATCHES = (
    BY_ADDRESS, "SIP address", "mail address", "number", "user name", "name in the mail address",
)  # fmt: skip
"""What an account at a server is recognised by, the surest first."""

_NO_ROW = "The row has changed meanwhile."
_NO_DIGEST = "Nobody can register with it: it has no usable digest."
_CLEAR = "Its password stands there in clear text only; choose to take clear texts over."
_CAPITALS = "Its SIP URI has capital letters; SIP URIs here have none."
_SEVERAL = "Several people fit."
_NOBODY = "No account here has this SIP URI, and nobody in the directory fits."
_NO_ACCOUNT = "The person has no account here yet; an account rule must give one."
_ELSEWHERE = "The account's home pool is another one."
_OUTSIDE = "It lies outside the managed scope."
_TWICE = "Another row was found for the same account."
_HAS_ROW = "The account has a row of its own at a store already."
_NAMES = (
    "Its digest is for another user name than its SIP URI's, or for another realm than that of the "
    "SIP domain here."
)
_ALGORITHM = "Its digest is of another algorithm than the store's."


@dataclass(frozen=True, slots=True)
class Portion:
    """What shall be adopted: what is empty (or None) narrows nothing.

    `matches` are of MATCHES, `aors` in lower case. `clear_text` takes passwords over that stand
    there in clear; the server's copy is locked when the store is managed.
    """

    domains: frozenset[str] = frozenset()
    group: DirectoryGroup | None = None
    matches: frozenset[str] = frozenset()
    aors: frozenset[str] | None = None
    clear_text: bool = False


@dataclass(frozen=True, slots=True)
class Candidate:
    """One chosen row: `account` and `row` where it can be adopted, `reason` where it cannot.

    `by` is one of MATCHES; `secret` is the clear text where it is known and wanted.
    """

    key: str
    by: str = ""
    reason: str = ""
    account: Account | None = None
    row: SubscriberRow | None = None
    digest: ImportedDigest | None = None
    secret: str | None = field(default=None, repr=False)
    aliases: Sequence[AliasRow] = ()


def read_aors(content: bytes) -> frozenset[str]:
    """SIP URIs of the first column of a CSV, or one a line; a heading is passed over.

    Raises InvalidInput where it is no text or has none.
    """
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidInput("The file is no text in UTF-8. Nothing was adopted.") from error
    cells = (row[0].strip().lower() for row in csv.reader(io.StringIO(text)) if row)
    aors = frozenset(cell.removeprefix("sip:") for cell in cells if "@" in cell)
    if not aors:
        raise InvalidInput("The file has no SIP URI in its first column. Nothing was adopted.")
    return aors


def find_candidates(
    *, store: ConfigStore, driver: StoreDriver, portion: Portion
) -> Iterator[list[Candidate]]:
    """The chosen rows in batches; what the console owns already is not among them.

    Held in memory: keys of people, and the store's aliases.
    """
    search = _Search(store, driver, portion)
    stream = driver.accounts()
    while rows := list(islice(stream, BATCH)):
        if found := search.judge(rows):
            yield found


class _Search:
    def __init__(self, store: ConfigStore, driver: StoreDriver, portion: Portion) -> None:
        self.store, self.driver, self.portion = store, driver, portion
        self.people = PeopleIndex()
        self.domains = {each.domain: each for each in SipDomain.objects.all()}
        self.members = set(find_owners(group=portion.group)) if portion.group else set()
        self.taken: set[int] = set()
        self.aliases: dict[str, list[AliasRow]] = {}
        for row in driver.read(Kind.ALIAS):
            if isinstance(row, AliasRow):
                self.aliases.setdefault(f"{row.user}@{row.domain}", []).append(row)

    def judge(self, rows: Sequence[ForeignAccount]) -> list[Candidate]:
        chosen = [row for row in rows if self._is_chosen(row)]
        keys = [f"{row.user}@{row.domain}" for row in chosen]
        owned = set(self._owned(keys))
        accounts = _by_address([key.lower() for key in keys])
        matches = [self._match(row, key) for row, key in zip(chosen, keys, strict=True)]
        mains = _mains({match.person_id for match in matches if match})
        inside = set(within_scope(store=self.store, kind=Kind.SUBSCRIBER, keys=keys))
        found: dict[str, Candidate] = {}
        for key, match in zip(keys, matches, strict=True):
            if key in owned:
                continue
            account = accounts.get(key.lower())
            by = BY_ADDRESS if account else match.by if match else ""
            if account is None and match is not None:
                account = mains.get(match.person_id)
            if self.portion.matches and by not in self.portion.matches:
                continue
            if self.portion.group and not (account and account.person_id in self.members):
                continue
            reason = self._reason(key, match, account, inside)
            found[key] = Candidate(key, by, reason, account)
            if account is not None and not reason:
                self.taken.add(account.pk)
        return self._with_rows(found)

    def _is_chosen(self, row: ForeignAccount) -> bool:
        portion, domain = self.portion, row.domain.lower()
        if portion.domains and domain not in portion.domains:
            return False
        return portion.aors is None or f"{row.user}@{row.domain}".lower() in portion.aors

    def _match(self, row: ForeignAccount, key: str) -> Match | None:
        numbers = tuple(alias.alias_user for alias in self.aliases.get(key, ()))
        return self.people.find(Traces(row.user, row.domain, row.mail, numbers))

    def _owned(self, keys: Sequence[str]) -> Iterator[str]:
        rows = OwnedRow.objects.filter(store=self.store, kind=Kind.SUBSCRIBER)
        yield from rows.filter(key__in=among(keys)).values_list("key", flat=True)

    def _reason(
        self, key: str, match: Match | None, account: Account | None, inside: set[str]
    ) -> str:
        """Why a row cannot be adopted; empty where it can."""
        domain = key.rpartition("@")[2]
        if key != key.lower():
            return _CAPITALS
        if domain not in self.domains:
            return f"{domain} is no SIP domain here."
        if account is None:
            if match is None:
                return _NOBODY
            return _NO_ACCOUNT if match.person_id else _SEVERAL
        if account.pool_id != self.store.pool_id:
            return _ELSEWHERE
        if key not in inside:
            return _OUTSIDE
        return _TWICE if account.pk in self.taken else ""

    def _with_rows(self, found: Mapping[str, Candidate]) -> list[Candidate]:
        """The candidates with what their rows hold; those that cannot be adopted as they are."""
        good = [each for each in found.values() if not each.reason]
        renamed = [
            each.account.aor for each in good if each.account and each.account.aor != each.key
        ]
        pushed = OwnedRow.objects.filter(kind=Kind.SUBSCRIBER, key__in=among(renamed))
        has_row = set(pushed.values_list("key", flat=True)) if renamed else set()
        rows = {row.key: row for row in self.driver.read(Kind.SUBSCRIBER, [c.key for c in good])}
        return [
            each if each.reason else self._complete(each, rows.get(each.key), has_row)
            for each in found.values()
        ]

    def _complete(self, each: Candidate, row: object, has_row: set[str]) -> Candidate:
        account = each.account
        if account is None or not isinstance(row, SubscriberRow):
            return Candidate(each.key, each.by, _NO_ROW)
        if account.aor != each.key and account.aor in has_row:
            return Candidate(each.key, each.by, _HAS_ROW)
        realm = self.domains[row.domain].realm
        secret, digest, reason = self._credential(row, realm)
        if reason:
            return Candidate(each.key, each.by, reason)
        aliases = tuple(self.aliases.get(each.key, ()))
        return Candidate(each.key, each.by, "", account, row, digest, secret, aliases)

    def _credential(
        self, row: SubscriberRow, realm: str
    ) -> tuple[str | None, ImportedDigest | None, str]:
        """The clear text or the digest that the account has from now on, or why neither."""
        wanted = self.store.main_algorithm
        if self.portion.clear_text and row.password:
            # A digest of something else is what clients register with: then the text is stale.
            derived = ha1(row.user, realm, row.password, wanted)
            if not row.ha1 or row.ha1 == derived:
                return row.password, None, ""
        if not row.ha1:
            return None, None, _CLEAR if row.password else _NO_DIGEST
        algorithm = algorithm_of(row.ha1, wanted)
        if algorithm is None:
            return None, None, _NO_DIGEST
        if algorithm != wanted:
            return None, None, _ALGORITHM
        if row.auth_user not in ("", row.user) or row.realm not in ("", realm):
            return None, None, _NAMES
        ha1b = row.ha1b if row.ha1b and algorithm_of(row.ha1b, algorithm) == algorithm else ""
        sha256 = row.ha1_sha256 or ""
        return None, ImportedDigest(row.user, realm, algorithm, row.ha1, ha1b, sha256), ""


def _by_address(addresses: Sequence[str]) -> dict[str, Account]:
    accounts = Account.objects.exclude(state=State.REMOVED).select_related("domain")
    return {account.aor: account for account in accounts.filter(aor__in=among(addresses))}


def _mains(people: set[int]) -> dict[int, Account]:
    accounts = Account.objects.exclude(state=State.REMOVED).select_related("domain")
    found = accounts.filter(person__in=people, slot="main")
    return {account.person_id: account for account in found if account.person_id}
