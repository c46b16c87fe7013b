"""Export of client documents: one account's, or many as a ZIP that is made while it is sent."""

from __future__ import annotations

import csv
import io
import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from tempfile import SpooledTemporaryFile
from typing import BinaryIO

from django.db.models import QuerySet
from django.utils import timezone

from provisioning.core.errors import InvalidInput, ProvisioningError
from provisioning.core.spreadsheet import safe_cell
from provisioning.models import Account
from provisioning.profiles.base import File, Renderer
from provisioning.services.actor import Actor
from provisioning.services.clients import documents
from provisioning.services.console import audit

# Accounts read per query, and so the most that are in memory at once.
BATCH = 500

# Bytes that are sent at once.
_PIECE = 65_536
_INDEX_IN_MEMORY = 1_000_000
_UNSAFE = re.compile(r"[^A-Za-z0-9@._+-]")


@dataclass(slots=True)
class Tally:
    """What an export did so far."""

    written: int = 0
    problems: int = 0
    first_problems: list[str] = field(default_factory=list)

    def note(self, problem: str) -> None:
        """Count a document or, where `problem` says one, its absence."""
        if not problem:
            self.written += 1
            return
        self.problems += 1
        if len(self.first_problems) < 10:
            self.first_problems.append(problem)


def render_account(*, account: Account, format: str, with_secret: bool, actor: Actor) -> list[File]:
    """The account's document; one that holds a secret needs the permission and is audited."""
    renderer = documents.find_renderer(format)
    with_secret = with_secret and renderer.holds_secret
    check_may_export(with_secret=with_secret, actor=actor)
    files = documents.render(
        account=account, renderer=renderer, with_secret=with_secret, desk=documents.Desk()
    )
    audit.record(
        actor=actor,
        action="exported the client document of",
        obj=account,
        detail={"format": renderer.name, "with secret": with_secret},
    )
    return files


def export_accounts(
    *,
    accounts: QuerySet[Account],
    format: str,
    with_secret: bool,
    actor: Actor,
    out: io.RawIOBase | BinaryIO,
) -> Tally:
    """Write a ZIP with the documents of `accounts` to `out`, which need not be seekable."""
    tally = Tally()
    for chunk in stream_accounts(
        accounts=accounts, format=format, with_secret=with_secret, actor=actor, tally=tally
    ):
        out.write(chunk)
    return tally


def stream_accounts(
    *,
    accounts: QuerySet[Account],
    format: str,
    with_secret: bool,
    actor: Actor,
    tally: Tally | None = None,
) -> Iterator[bytes]:
    """The ZIP as pieces; permission and audit come before the first piece, at the call.

    Besides a batch of accounts only the ZIP's own directory is in memory, 0.5 kB a file.
    A document that cannot be made is a line in index.csv; the rest goes on.
    """
    renderer = documents.find_renderer(format)
    with_secret = with_secret and renderer.holds_secret
    begin(accounts=accounts, renderer=renderer, with_secret=with_secret, actor=actor)
    return _zip_pieces(accounts, renderer, with_secret=with_secret, tally=tally or Tally())


def begin(
    *, accounts: QuerySet[Account], renderer: Renderer, with_secret: bool, actor: Actor
) -> None:
    """Check that the export is allowed and of use, and audit it before the first document."""
    check_may_export(with_secret=with_secret, actor=actor)
    documents.check_useful(renderer=renderer, with_secret=with_secret)
    audit.record(
        actor=actor,
        action="exported client documents",
        detail={"format": renderer.name, "with secret": with_secret, "accounts": accounts.count()},
    )


def each_document(
    *, accounts: QuerySet[Account], renderer: Renderer, with_secret: bool
) -> Iterator[tuple[Account, list[File], str]]:
    """Account, files and problem (empty where there are files), in batches by id."""
    desk = documents.Desk()
    for account in _in_batches(accounts, desk):
        try:
            files = documents.render(
                account=account, renderer=renderer, with_secret=with_secret, desk=desk
            )
        except ProvisioningError as error:
            yield account, [], error.message
        else:
            yield account, files, ""


def check_may_export(*, with_secret: bool, actor: Actor) -> None:
    """Raise InvalidInput when `actor` may not have documents that hold a secret.

    The permission is apart from the roles; whoever runs commands on the console's machine has it.
    """
    if with_secret and actor.user is not None and not actor.user.may_export_secrets:
        raise InvalidInput(
            "You may not export documents that hold a secret. Leave the secret out, or ask an "
            "administrator for that permission. Nothing was exported."
        )


def file_name(account: Account, file: File, *, alone: bool) -> str:
    """Where a document stands in an archive: nothing in it comes from a display name.

    The account's id keeps names apart that differ only in a character which files cannot have.
    """
    stem = f"{_UNSAFE.sub('_', account.aor)}-{account.pk}"
    return f"{stem}.{file.name.rpartition('.')[2]}" if alone else f"{stem}/{file.name}"


def pack(files: list[File]) -> bytes:
    """The files of one document as a ZIP."""
    packed = io.BytesIO()
    when = timezone.localtime().timetuple()[:6]
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in files:
            archive.writestr(_entry(file.name, when), file.content)
    return packed.getvalue()


def _in_batches(accounts: QuerySet[Account], desk: documents.Desk) -> Iterator[Account]:
    ordered = documents.with_what_documents_need(accounts.order_by("pk"))
    last = 0
    while batch := list(ordered.filter(pk__gt=last)[:BATCH]):
        desk.prepare(batch)
        yield from batch
        last = batch[-1].pk


def _zip_pieces(
    accounts: QuerySet[Account], renderer: Renderer, *, with_secret: bool, tally: Tally
) -> Iterator[bytes]:
    sink = _Sink()
    when = timezone.localtime().timetuple()[:6]
    with (
        zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as archive,
        SpooledTemporaryFile(max_size=_INDEX_IN_MEMORY, mode="w+b") as index,
    ):
        lines = io.TextIOWrapper(index, encoding="utf-8-sig", newline="", write_through=True)
        table = csv.writer(lines)
        table.writerow(("account", "SIP URI", "name", "state", "file", "problem"))
        for account, files, problem in each_document(
            accounts=accounts, renderer=renderer, with_secret=with_secret
        ):
            names = [file_name(account, file, alone=len(files) == 1) for file in files]
            for name, file in zip(names, files, strict=True):
                archive.writestr(_entry(name, when), file.content)
            state = account.get_state_display()
            row = (account.aor, account.name, state, names[0] if names else "", problem)
            table.writerow((account.pk, *map(safe_cell, row)))
            tally.note(f"{account.aor}: {problem}" if problem else "")
            if sink.size >= _PIECE:
                yield sink.take()
        lines.detach()
        index.seek(0)
        with archive.open(_entry("index.csv", when), "w") as entry:
            while piece := index.read(_PIECE):
                entry.write(piece)
                yield sink.take()
    yield sink.take()


def _entry(name: str, when: tuple[int, ...]) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name, when)  # type: ignore[arg-type]
    entry.compress_type = zipfile.ZIP_DEFLATED
    entry.external_attr = 0o600 << 16
    return entry


class _Sink(io.RawIOBase):
    """Where zipfile writes: holds only what was not taken yet; not seekable, as a response."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self.size = 0

    def writable(self) -> bool:
        """It is."""
        return True

    def write(self, piece: bytes) -> int:  # type: ignore[override]
        """Keep a piece until it is taken."""
        self._pieces.append(bytes(piece))
        self.size += len(piece)
        return len(piece)

    def take(self) -> bytes:
        """What was written since the last call."""
        taken = b"".join(self._pieces)
        self._pieces.clear()
        self.size = 0
        return taken
