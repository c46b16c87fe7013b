"""What is named on the command line, found or said to be missing."""

from __future__ import annotations

from collections.abc import Sequence

from django.core.management.base import CommandError

from provisioning.models import ConfigStore


def find_stores(names: Sequence[str]) -> list[ConfigStore]:
    """The stores called `names`, in that order; all where none is named."""
    stores = {store.name: store for store in ConfigStore.objects.order_by("name")}
    unknown = [name for name in names if name not in stores]
    if unknown:
        raise CommandError(
            f"There is no store {', '.join(unknown)}. There are: {', '.join(stores) or 'none'}."
        )
    return [stores[name] for name in names or stores]
