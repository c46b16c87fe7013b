"""The complete Observe report as CSV, made while it is sent."""

from __future__ import annotations

from collections.abc import Iterator

from provisioning.core.errors import ProvisioningError
from provisioning.core.spreadsheet import csv_lines
from provisioning.models import ConfigStore
from provisioning.services.servers.observe import LABELS, Observation

_COLUMNS = ("finding", "address or number", "name at the server", "person", "detail")


def write_csv(*, store: ConfigStore) -> Iterator[str]:
    """Lines of CSV; raises Unreachable or Rejected where the store stops answering."""
    return csv_lines(_rows(store))


def stream_csv(*, store: ConfigStore) -> Iterator[str]:
    """The same for a download that has begun: its last line says that it is incomplete."""
    try:
        yield from write_csv(store=store)
    except ProvisioningError as error:
        yield from csv_lines([("INCOMPLETE", "", "", "", error.message)])


def _rows(store: ConfigStore) -> Iterator[tuple[str, ...]]:
    yield _COLUMNS
    for each in Observation(store).findings():
        yield LABELS[each.category], each.key, each.name, each.person, each.detail
