"""Which page shows a thing that a notice or an audit event names."""

from __future__ import annotations

from provisioning.web.shell import href_of

# Model name (as the audit log keeps it) → URL name of its page.
PAGES = {
    "account": "account",
    "accountrule": "rule-edit",
    "alertchannel": "alert-channel",
    "clientprofile": "profile",
    "configstore": "store",
    "consoleuser": "console-user",
    "directorygroup": "group",
    "directorysource": "source",
    "gateway": "gateway",
    "groupaddress": "route-group",
    "number": "number",
    "numberrange": "range-edit",
    "person": "person",
    "rollout": "rollout",
    "route": "route",
    "run": "run",
    "serverpool": "pool",
    "sipdomain": "domain",
    "sipserver": "server",
    "site": "site",
    "trustedhost": "trusted",
}


def object_href(object_type: str, object_id: str) -> str:
    """The page of an audited object, empty where there is none."""
    page = PAGES.get(object_type)
    return href_of(page, int(object_id)) if page and object_id.isdecimal() else ""


def where_to_look(noun: str, pk: int | None) -> tuple[str, str]:
    """The page on which a condition is dealt with, and the words of the link to it."""
    if noun == "conflicts":
        return href_of("changes-conflicts"), "See who"
    if noun == "refused-links":
        return f"{href_of('audit')}?action=refused+a+link", "See which were known"
    if noun == "store-drift":
        return href_of(noun, pk), "Look at the drift"
    return href_of(noun, pk), f"Open {noun.replace('-', ' ')}"
