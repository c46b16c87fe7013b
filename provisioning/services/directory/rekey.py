"""Asking for another key attribute of a source: previewed, then for everybody at once."""

from __future__ import annotations

from django.db import transaction

from provisioning.core.errors import InvalidInput
from provisioning.models import DirectorySource, Run
from provisioning.services.actor import Actor
from provisioning.services.console import audit
from provisioning.services.directory.sources import KEY_ATTRIBUTES
from provisioning.services.runs import runs
from provisioning.services.runs.progress import Watch


def request_rekey(
    *, source: DirectorySource, key_attribute: str, actor: Actor, dry: bool = True
) -> Run:
    """Queue a run that gives everybody of `source` the key of another attribute."""
    with transaction.atomic():
        run = runs.request(_run(source, key_attribute, dry=dry), actor)
        if not dry:
            audit.record(
                actor=actor, action="asked to change the key of", obj=source,
                detail={"key attribute": [source.key_attribute, key_attribute], "run": run.pk},
            )  # fmt: skip
    return run


def rekey_here(
    *,
    source: DirectorySource,
    key_attribute: str,
    actor: Actor,
    dry: bool,
    watch: Watch | None = None,
) -> Run:
    """The same in this process, without a worker."""
    return runs.carry_out(_run(source, key_attribute, dry=dry), actor, watch)


def _run(source: DirectorySource, key_attribute: str, *, dry: bool) -> Run:
    if source.is_scim or key_attribute not in KEY_ATTRIBUTES:
        raise InvalidInput(f"Choose one of {', '.join(KEY_ATTRIBUTES)}.")
    if key_attribute == source.key_attribute:
        raise InvalidInput(f"{source} is read by {key_attribute} already. Nothing was changed.")
    question = {"key_attribute": key_attribute}
    return Run(kind=Run.Kind.REKEY, source=source, dry=dry, question=question)
