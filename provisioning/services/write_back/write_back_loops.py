"""Refusing a write-back that would read its own values as news from the directory."""

from __future__ import annotations

import re
from collections.abc import Iterator

from django.db.models import Q

from provisioning.core.errors import InvalidInput
from provisioning.core.expression import compile_expression
from provisioning.models import AccountRule, DirectorySource

# Fields by which people are told apart, named, placed or have service, whatever the rules say.
_ALWAYS = frozenset({
    "login", "display_name", "kind", "expires_at", "locked_out", "must_change_password", "office",
    "country", "employee_id", "manager",
})  # fmt: skip
_FILTERED = re.compile(r"\(\s*([A-Za-z][A-Za-z0-9-]*)")


def find_loop(source: DirectorySource, attribute: str) -> str:
    """Why the sync would take a value written into `attribute` for a change; empty where not."""
    name = attribute.lower()
    if name == source.key_attribute.lower():
        return f"people are known by {attribute}"
    filters = (source.person_filter, source.person_bases, source.group_filter, source.group_bases)
    if any(name == found.lower() for text in filters for found in _FILTERED.findall(text)):
        return f"a filter of this source looks at {attribute}"
    for what, text in (
        ("“disabled”", source.disabled_expression),
        ("the number used elsewhere", source.elsewhere_expression),
    ):
        if name in _names(text):
            return f"{what} is read from {attribute} ({text})"
    fields = [field for field, text in source.mapping.items() if name in _names(text)]
    for field in fields:
        if field in _ALWAYS or field.startswith("disabled"):
            return f"the attribute map reads {attribute} for “{field}”"
    for field in fields:
        for rule, what, text in _rules(source):
            if field in _names(text):
                return (
                    f"the attribute map reads {attribute} for “{field}”, from which the rule "
                    f"{rule} takes {what} ({text})"
                )
    return ""


def check_loop(source: DirectorySource, attribute: str) -> None:
    """Raise InvalidInput where writing `attribute` goes round in a circle."""
    reason = find_loop(source, attribute)
    if reason:
        raise InvalidInput(
            f"{attribute} cannot be written, because {reason}: what the console wrote would come "
            "back as a change of the directory. Choose another attribute, or take this one out "
            "there first."
        )


def _rules(source: DirectorySource) -> Iterator[tuple[str, str, str]]:
    """What account rules for people of `source` make of the fields of a person."""
    rules = AccountRule.objects.filter(Q(source=source) | Q(source=None), enabled=True)
    for rule in rules.order_by("position", "id"):
        yield rule.name, "whom it is for", rule.condition
        yield rule.name, "the SIP URI", rule.user_formula
        if rule.number_source == AccountRule.NumberSource.DIRECTORY:
            yield rule.name, "the number", rule.number_formula


def _names(text: str) -> frozenset[str]:
    """The names that an expression reads; none where it cannot be read: it was refused already."""
    try:
        return compile_expression(text).names if text.strip() else frozenset()
    except InvalidInput:
        return frozenset()
