"""Which page shows a thing that a notice or an audit event names."""

from __future__ import annotations

from provisioning.web.shell import href_of

# Model name (as the audit log keeps it) → URL name of its page.
PAGES = {
    "account": "account",
    "accountrule": "rule-edit",
    "clientprofile": "profile",
    "configstore": "store",
    "consoleuser": "console-user",
    "directorygroup": "group",
    "directorysource": "source",
    "number": "number",
    "numberrange": "range-edit",
    "person": "person",
    "run": "run",
    "serverpool": "pool",
    "sipdomain": "domain",
    "sipserver": "server",
    "site": "site",
}


def object_href(object_type: str, object_id: str) -> str:
    """The page of an audited object, empty where there is none."""
    page = PAGES.get(object_type)
    return href_of(page, int(object_id)) if page and object_id.isdecimal() else ""
