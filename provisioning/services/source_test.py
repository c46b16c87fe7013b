"""Trying the connection of a source out before it is kept, step by step."""

from __future__ import annotations

from collections.abc import Iterator

from provisioning.core.errors import InvalidInput, ProvisioningError
from provisioning.directory.mapping import PersonMapping, compile_mapping
from provisioning.directory.probe import probe_directory
from provisioning.models import DirectorySource
from provisioning.services import targets
from provisioning.services.connection_test import Step, StepState
from provisioning.services.sources import source_candidate


def probe_source(*, source: DirectorySource, secret: str | None) -> list[Step]:
    """Every step up to the first that fails; changes nothing, raises no ProvisioningError."""
    return list(_steps(source, secret))


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
