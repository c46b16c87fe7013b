"""What the pages of one store share: its tabs and where it stands."""

from __future__ import annotations

from typing import Any

from django.urls import reverse

from provisioning.models import ConfigStore

_TABS = (
    ("store", "Overview", "database"),
    ("store-observe", "Accounts found", "eye"),
    ("store-adopt", "Adopt", "user-check"),
    ("store-scope", "Scope", "filter"),
    ("store-drift", "Drift", "git-compare"),
    ("store-pushes", "Pushes", "history"),
)


def store_context(row: ConfigStore, active: str, title: str = "") -> dict[str, Any]:
    """Title, breadcrumb, tabs and the store; `active` is the URL name of the open tab."""
    crumbs = [("Pools & stores", reverse("pools")), (row.name, reverse("store", args=[row.pk]))]
    label = next(label for name, label, _ in _TABS if name == active)
    return {
        "title": title or row.name,
        "crumbs": [*crumbs, (label, "")],
        "store": row,
        "managed": row.mode == ConfigStore.Mode.MANAGE,
        "tabs": [
            {
                "label": label,
                "icon": icon,
                "href": reverse(name, args=[row.pk]),
                "active": name == active,
                "count": row.drift_count if name == "store-drift" else 0,
            }
            for name, label, icon in _TABS
        ],
    }
