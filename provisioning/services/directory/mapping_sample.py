"""What the attribute map in a form makes of one real entry, field by field, before it is kept."""

from __future__ import annotations

from dataclasses import dataclass, field

from provisioning.core.errors import InvalidInput
from provisioning.core.expression import Expression, UnreadableExpression
from provisioning.core.expression_functions import REGION
from provisioning.core.expression_reason import explain_value
from provisioning.core.records import KINDS, LEFT_OUT, PERSON_FLAGS, Entry
from provisioning.directory.attributes import BINARY, compile_reading
from provisioning.directory.mapping import (
    DISABLED_OF,
    MAP_FIELDS,
    compile_mapping,
    find_region,
    finish_field,
)
from provisioning.directory.sample import SampleEntry, find_sample
from provisioning.models import DirectorySource
from provisioning.services.directory.sources import source_candidate
from provisioning.services.rules.rule_book import RuleBook
from provisioning.services.scim.scim_sample import find_scim_sample
from provisioning.services.servers import targets

DISABLED = "disabled"
_YES_OR_NO = {*PERSON_FLAGS, *DISABLED_OF.values()}


@dataclass(frozen=True, slots=True)
class FieldResult:
    """What one expression gives: the value that a person would keep, and why it is that.

    `problem` says instead why there is none; `at` is the place in the expression that cannot be
    read, None where it can. `counts` is whether the field is looked at for such an entry.
    """

    value: str = ""
    why: str = ""
    problem: str = ""
    at: int | None = None
    counts: bool = True


@dataclass(frozen=True, slots=True)
class MappingSample:
    """Each field's result for one entry; `problem` says why the whole entry cannot be used.

    `entry` is None where nobody was found.
    """

    entry: SampleEntry | None
    fields: dict[str, FieldResult] = field(default_factory=dict)
    problem: str = ""
    left_out: bool = False


def try_mapping(
    *, source: DirectorySource, secret: str | None, text: str = "", place: int = 0, dn: str = ""
) -> MappingSample:
    """Evaluate the map of a source, saved or not, on a person of its directory.

    The person is the one with `dn`, or number `place` of those whom `text` finds (part of a name,
    user name or mail address). The stored password is used only where nothing changed that it must
    not be sent to. A field that cannot be read hides no other. Raises a ProvisioningError where the
    directory cannot be asked.
    """
    compiled, results = _compile(source)
    named = {name for expression in compiled.values() for name in expression.names}
    if source.is_scim:
        found = find_scim_sample(source, named, text=text, place=place, dn=dn)
    else:
        record = targets.pin_source(source_candidate(source=source, secret=secret))
        found = find_sample(record, named, text=text, place=place, dn=dn)
    if found is None:
        return MappingSample(None, results)
    values, problem = _values(found.entry, named), ""
    region = _region(compiled, values)
    values[REGION] = [region]
    for name, expression in compiled.items():
        results[name] = _evaluate(name, expression, values)
    left_out = _mark_what_counts(results)
    if not any(result.problem for result in results.values()):
        problem = _problem(source, found.entry)
    return MappingSample(found, results, problem, left_out)


def check_mapping(*, source: DirectorySource) -> MappingSample:
    """Which expressions of the map cannot be read; no directory is asked."""
    return MappingSample(None, _compile(source)[1])


def _compile(
    source: DirectorySource,
) -> tuple[dict[str, Expression], dict[str, FieldResult]]:
    """The expressions that can be read, and the faults of the others."""
    texts = {**source.mapping, DISABLED: source.disabled_expression}
    compiled: dict[str, Expression] = {}
    faults: dict[str, FieldResult] = {}
    for name in (*MAP_FIELDS, DISABLED):
        try:
            if texts.get(name):
                compiled[name] = compile_reading(texts[name])
        except InvalidInput as error:
            at = error.at if isinstance(error, UnreadableExpression) else None
            faults[name] = FieldResult(problem=error.message, at=at)
    return compiled, faults


def _values(entry: Entry, named: set[str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name in named & entry.attributes.keys():
        try:
            found[name] = [_text(name, value) for value in entry.attributes[name]]
        except InvalidInput:
            found[name] = []  # the whole entry cannot be used, and that is said once
    return found


def _text(name: str, value: bytes) -> str:
    return BINARY[name](value) if name in BINARY else value.decode("utf-8", "replace")


def _region(compiled: dict[str, Expression], values: dict[str, list[str]]) -> str:
    parts = []
    for name in ("office", "country"):
        try:
            parts.append(compiled[name](values) if name in compiled else "")
        except InvalidInput:
            parts.append("")
    return find_region(RuleBook().regions, *parts)


def _evaluate(name: str, expression: Expression, values: dict[str, list[str]]) -> FieldResult:
    try:
        value = expression(values)
        if name in _YES_OR_NO:
            value = "yes" if value else "no"
        elif value or name == "kind":
            value = finish_field(name, value)
    except InvalidInput as error:
        return FieldResult(problem=error.message, why=explain_value(expression, values))
    return FieldResult(value, explain_value(expression, values))


def _mark_what_counts(results: dict[str, FieldResult]) -> bool:
    """Say of each "disabled" whether it counts for this kind; whether the entry is left out."""
    kind = results["kind"].value if "kind" in results else KINDS[0]
    counting = DISABLED_OF.get(kind, DISABLED)
    counting = counting if counting in results else DISABLED
    for name in (DISABLED, *DISABLED_OF.values()):
        if name in results and name != counting and not results[name].problem:
            results[name] = FieldResult(results[name].value, results[name].why, counts=False)
    return kind == LEFT_OUT


def _problem(source: DirectorySource, entry: Entry) -> str:
    """Why the sync could not use the entry, though each expression can be read."""
    try:
        mapping = compile_mapping(
            source.mapping, source.disabled_expression, regions=RuleBook().regions
        )
        mapping.record(entry)
    except InvalidInput as error:
        return error.message
    return ""
