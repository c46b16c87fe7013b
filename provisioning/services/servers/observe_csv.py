"""The complete Observe report as CSV, made while it is sent."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator

from provisioning.core.errors import ProvisioningError
from provisioning.core.spreadsheet import safe_cell
from provisioning.models import ConfigStore
from provisioning.services.servers.observe import LABELS, Observation

_COLUMNS = ("finding", "address or number", "name at the server", "person", "detail")


def stream_csv(*, store: ConfigStore) -> Iterator[str]:
    """Lines of CSV; where the store stops answering, the last one says that it is incomplete."""
    yield "\ufeff" + _line(_COLUMNS)
    try:
        for finding in Observation(store).findings():
            yield _line(
                (
                    LABELS[finding.category],
                    finding.key,
                    finding.name,
                    finding.person,
                    finding.detail,
                )
            )
    except ProvisioningError as error:
        yield _line(("INCOMPLETE", "", "", "", error.message))


def _line(values: tuple[str, ...]) -> str:
    text = io.StringIO()
    csv.writer(text).writerow([safe_cell(value) for value in values])
    return text.getvalue()
