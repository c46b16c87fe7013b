"""One export of every account; import it where Django is set up."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

from provisioning.models import Account
from provisioning.services.actor import COMMAND_LINE
from provisioning.services.clients.export import export_accounts


def export(format: str) -> None:
    """Write the ZIP of every account; prints how many documents it holds and the seconds."""
    began = time.perf_counter()
    with Path(os.devnull).open("wb") as out:
        tally = export_accounts(
            accounts=Account.objects.all(),
            format=format,
            with_secret=True,
            actor=COMMAND_LINE,
            out=out,
        )
    seconds = time.perf_counter() - began
    print(json.dumps({"written": tally.written, "seconds": seconds}))
