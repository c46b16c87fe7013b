"""Client documents written into a folder, each file whole or not at all."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from django.db.models import QuerySet

from provisioning.core.errors import InvalidInput
from provisioning.models import Account
from provisioning.services.actor import Actor
from provisioning.services.clients import documents, export


def write_folder(
    *, accounts: QuerySet[Account], format: str, with_secret: bool, actor: Actor, folder: Path
) -> Iterator[export.Tally]:
    """Write the documents of `accounts` below `folder`; the tally after each account.

    Files are readable by their owner alone. Raises InvalidInput before the first one when the
    export is not allowed, and when the folder cannot be written.
    """
    renderer = documents.find_renderer(format)
    with_secret = with_secret and renderer.holds_secret
    export.begin(accounts=accounts, renderer=renderer, with_secret=with_secret, actor=actor)
    tally = export.Tally()
    for account, files, problem in export.each_document(
        accounts=accounts, renderer=renderer, with_secret=with_secret
    ):
        for file in files:
            name = export.file_name(account, file, alone=len(files) == 1)
            try:
                write_whole(folder / name, file.content)
            except OSError as error:
                raise InvalidInput(
                    f"{folder / name} cannot be written: {error.strerror}."
                ) from error
        tally.note(f"{account.aor}: {problem}" if problem else "")
        yield tally


def write_whole(path: Path, content: bytes) -> None:
    """Make or replace a file in one step, mode 0600."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=".export-")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
