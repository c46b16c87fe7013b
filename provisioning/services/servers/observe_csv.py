"""The complete Observe report as CSV, made while it is sent."""

from __future__ import annotations

from collections.abc import Iterator

from provisioning.core.errors import ProvisioningError
from provisioning.core.spreadsheet import csv_lines
from provisioning.models import ConfigStore
from provisioning.services.servers.observe import LABELS, Observation

_COLUMNS = ("finding", "address or number", "name at the server", "person", "detail")


def stream_csv(*, store: ConfigStore) -> Iterator[str]:
    """Lines of CSV; where the store stops answering, the last one says that it is incomplete."""
    return csv_lines(_rows(store))


def _rows(store: ConfigStore) -> Iterator[tuple[str, ...]]:
    yield _COLUMNS
    try:
        for each in Observation(store).findings():
            yield LABELS[each.category], each.key, each.name, each.person, each.detail
    except ProvisioningError as error:
        yield "INCOMPLETE", "", "", "", error.message
