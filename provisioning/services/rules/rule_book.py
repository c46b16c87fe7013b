"""The account rules, compiled: which rule a person falls under and what it gives."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from provisioning.core.errors import InvalidInput
from provisioning.core.expression import Expression, compile_expression
from provisioning.core.records import PERSON_FIELDS
from provisioning.core.sip import check_user_part
from provisioning.core.telephone import normalise
from provisioning.core.text import fold
from provisioning.models import AccountRule, Site

Values = Mapping[str, str]
# The source and the DN of each entry by which somebody is in a directory; mostly one.
Places = Sequence[tuple[int, str]]


@dataclass(frozen=True, slots=True)
class CompiledRule:
    """One rule with its expressions ready to evaluate."""

    rule: AccountRule
    condition: Expression | None
    user_formula: Expression
    number_formula: Expression | None
    below: str

    def why_not(self, *, places: Places, values: Values, groups: Collection[int]) -> str:
        """Why the rule does not match, in plain words; empty when it does.

        One of the `places` has to be both of the rule's source and below its OU.
        """
        rule = self.rule
        if rule.source_id is not None:
            places = [place for place in places if place[0] == rule.source_id]
            if not places:
                return f"only people of {rule.source}"
        if rule.group_id is not None and rule.group_id not in groups:
            return f"not in the group {rule.group}"
        if self.below and not any(_is_below(dn, self.below) for _, dn in places):
            return f"not below {rule.ou}"
        if self.condition is not None and not self.condition(_read_by(self.condition, values)):
            return f"the condition {rule.condition} is not met"
        return ""

    def user_part(self, values: Values) -> str:
        """What the formula gives; raises InvalidInput when it cannot stand in a SIP URI."""
        value = self.user_formula(_read_by(self.user_formula, values))
        if not value:
            raise InvalidInput(
                f"The SIP URI formula {self.rule.user_formula} gives nothing for this person."
            )
        return check_user_part(value)

    def disables(self, *, locked_out: bool, must_change_password: bool) -> bool:
        """Whether the rule takes service from somebody who is in the directory in this standing."""
        rule = self.rule
        return (locked_out and rule.locked_out_is_disabled) or (
            must_change_password and rule.must_change_is_disabled
        )

    def number(self, values: Values, region: str) -> str:
        """The directory's number as E.164 or empty; raises InvalidInput when it is not a number."""
        formula = self.number_formula
        text = formula(_read_by(formula, values)) if formula else ""
        return normalise(text, region) if text else ""


class RuleBook:
    """All enabled rules in order, and the sites that offices mean."""

    def __init__(self) -> None:
        rules = AccountRule.objects.filter(enabled=True).select_related(
            "domain", "pool", "group", "source", "number_range"
        )
        self.rules = [compile_rule(rule) for rule in rules]
        self.watched = {
            rule.rule.group.guid: rule.rule.group.pk for rule in self.rules if rule.rule.group
        }
        self.sites: dict[str, Site] = {}
        self._site_of_office: dict[str, Site | None] = {}
        for site in Site.objects.order_by("name"):
            for value in site.matches():
                self.sites.setdefault(value, site)

    @property
    def regions(self) -> dict[str, str]:
        """The country of each site by the folded offices that mean it."""
        return {office: site.country for office, site in self.sites.items()}

    def match(
        self, *, places: Places, values: Values, groups: Collection[int]
    ) -> CompiledRule | None:
        """The first rule that matches, or None."""
        for rule in self.rules:
            if not rule.why_not(places=places, values=values, groups=groups):
                return rule
        return None

    def site_of(self, values: Values) -> Site | None:
        """The site that the person's office means."""
        office = values.get("office", "")
        if office not in self._site_of_office:
            self._site_of_office[office] = self.sites.get(fold(office)) if office else None
        return self._site_of_office[office]

    def region_of(self, values: Values) -> str:
        """The country (ISO 3166) in whose notation a number is, empty when not known."""
        site, country = self.site_of(values), values.get("country", "")
        return site.country if site else country if len(country) == 2 else ""


def compile_rule(rule: AccountRule) -> CompiledRule:
    """Compile the expressions of `rule`; raises InvalidInput naming the unreadable field."""
    return CompiledRule(
        rule=rule,
        condition=compile_formula(rule.condition, "condition"),
        user_formula=compile_formula(rule.user_formula, "SIP URI formula")
        or compile_expression("''"),
        number_formula=compile_formula(rule.number_formula, "number"),
        below=_dn_suffix(rule.ou),
    )


def compile_formula(source: str, what: str) -> Expression | None:
    """An expression over a person's fields, None for an empty one; `what` names it in errors."""
    if not source.strip():
        return None
    expression = compile_expression(source)
    unknown = expression.names - {*PERSON_FIELDS, "dn"}
    if unknown:
        raise InvalidInput(
            f"The {what} uses {', '.join(sorted(unknown))}; "
            f"a person has {', '.join(PERSON_FIELDS)} and dn."
        )
    return expression


def _read_by(expression: Expression, values: Values) -> dict[str, tuple[str, ...]]:
    """What `expression` reads of a person, each field as a list of one value."""
    return {name: (values[name],) for name in expression.names}


def _dn_suffix(ou: str) -> str:
    return ",".join(part.strip() for part in ou.lower().split(",")) if ou.strip() else ""


def _is_below(dn: str, suffix: str) -> bool:
    return dn.lower() == suffix or dn.lower().endswith("," + suffix)
