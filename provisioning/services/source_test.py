"""Trying a source out before it is kept: its connection step by step, its mapping on people."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from provisioning.core.errors import InvalidInput, ProvisioningError
from provisioning.directory.conversation import find_samples
from provisioning.directory.mapping import PersonMapping, compile_mapping
from provisioning.directory.probe import probe_directory
from provisioning.models import DirectorySource
from provisioning.services import targets
from provisioning.services.connection_test import Step, StepState
from provisioning.services.sources import source_candidate

_SAMPLES = 3


@dataclass(frozen=True, slots=True)
class Sample:
    """What the mapping makes of one entry: its fields in order, or why it cannot be used."""

    dn: str
    fields: dict[str, str]
    disabled: bool = False
    problem: str = ""


def probe_source(*, source: DirectorySource, secret: str | None) -> list[Step]:
    """Every step up to the first that fails; changes nothing, raises no ProvisioningError."""
    return list(_steps(source, secret))


def find_sample_people(
    *, source: DirectorySource, secret: str | None, text: str = ""
) -> list[Sample]:
    """What the mapping makes of a few people; `text` is part of a name, user name or mail address.

    Raises a ProvisioningError where the source cannot be asked or the mapping not be read.
    """
    record = targets.pin_source(source_candidate(source=source, secret=secret))
    mapping = compile_mapping(source.mapping, source.disabled_expression)
    entries = find_samples(record, mapping.attributes, text, limit=_SAMPLES)
    samples = []
    for entry in entries:
        try:
            person = mapping.record(entry)
        except InvalidInput as error:
            samples.append(Sample(entry.dn, {}, problem=error.message))
        else:
            samples.append(Sample(entry.dn, person.fields, person.disabled))
    return samples


def _steps(source: DirectorySource, secret: str | None) -> Iterator[Step]:
    try:
        record = targets.pin_source(source_candidate(source=source, secret=secret))
    except ProvisioningError as error:
        yield Step("Address", StepState.FAILED, error.message)
        return
    mapping = _mapping(source)
    for step in probe_directory(record, mapping.attributes if mapping else ()):
        state = StepState.FAILED if not step.ok else StepState.OK
        if step.ok and step.advice:
            state = StepState.WARNING
        detail = "\n".join(text for text in (step.text, step.detail) if text)
        yield Step(step.name, state, detail, step.advice)


def _mapping(source: DirectorySource) -> PersonMapping | None:
    """The mapping, None while it cannot be read: the connection is tested all the same."""
    try:
        return compile_mapping(source.mapping, source.disabled_expression)
    except InvalidInput:
        return None
