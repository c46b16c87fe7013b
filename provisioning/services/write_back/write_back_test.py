"""Trying a write-back out before it is kept: whether the account may write, and what would be."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress

from provisioning.core.errors import InvalidInput, ProvisioningError
from provisioning.core.written import needs_second_user, warning_of
from provisioning.directory.bases import searches
from provisioning.directory.writable import find_forbidden, find_unsuitable
from provisioning.directory.writing import Writer, open_writer
from provisioning.models import WriteBack
from provisioning.services.servers.connection_test import Step, StepState
from provisioning.services.write_back.write_back import check_attribute, writing_record


def probe_write_back(
    *, write_back: WriteBack, attributes: Mapping[str, str], secret: str | None
) -> Iterator[Step]:
    """Every step up to the first that fails, as it is known; nothing is written.

    `secret` None means the stored password, which is not sent as another account.
    """
    faults = []
    for name, text in attributes.items():
        try:
            check_attribute(write_back.source, name, text)
        except InvalidInput as error:
            faults.append(error.message)
    if faults or not attributes:
        yield Step("Attributes", StepState.FAILED, "\n".join(faults) or "None is named yet.")
        return
    yield _described(attributes)
    kept = WriteBack.objects.filter(pk=write_back.pk).first()
    if secret is None and (kept is None or kept.bind_dn != write_back.bind_dn):
        secret = ""
    try:
        with open_writer(writing_record(write_back, secret)) as writer:
            yield Step("Sign-in", StepState.OK, f"Signed in at {writer.server}.")
            yield _schema(writer, list(attributes))
            yield _rights(writer, write_back, list(attributes))
    except ProvisioningError as error:
        yield Step("Sign-in", StepState.FAILED, error.message)


def _described(attributes: Mapping[str, str]) -> Step:
    warnings = [warning for name in attributes if (warning := warning_of(name))]
    text = ", ".join(attributes)
    if not warnings:
        return Step("Attributes", StepState.OK, text)
    if any(needs_second_user(name) for name in attributes):
        warnings.append("Another administrator has to approve it before anything is written.")
    return Step("Attributes", StepState.WARNING, text, " ".join(dict.fromkeys(warnings)))


def _schema(writer: Writer, names: Collection[str]) -> Step:
    unsuitable = find_unsuitable(writer.conversation, names)
    if not unsuitable:
        return Step("Schema", StepState.OK, "Each attribute takes one text.")
    text = "\n".join(f"{name} {why}." for name, why in unsuitable.items())
    return Step("Schema", StepState.FAILED, text, "Choose another attribute.")


def _rights(writer: Writer, write_back: WriteBack, names: Collection[str]) -> Step:
    """Looked at for one person, somebody who has an account if there is one."""
    source = write_back.source
    dn = _somebody(writer, write_back)
    if not dn:
        return Step("Rights", StepState.FAILED, "Nobody was found to try it for.")
    forbidden = find_forbidden(writer.conversation, dn, names)
    if not forbidden:
        return Step("Rights", StepState.OK, f"All of it may be written, seen for {dn}.")
    account = write_back.bind_dn or source.bind_dn or "The account"
    text = "\n".join(f"{name} {why} for {dn}." for name, why in forbidden.items())
    advice = f"Give {account} the right to write these attributes of people, and no other right."
    return Step("Rights", StepState.FAILED, text, advice)


def _somebody(writer: Writer, write_back: WriteBack) -> str:
    source = write_back.source
    known = source.people.filter(left_at=None, accounts__isnull=False).order_by("pk").first()
    if known is not None:
        found = writer.read([known.guid], ())
        if known.guid in found:
            return found[known.guid].dn
    record = source.as_record()
    for asked in searches(record.person_bases, record.person_filter):
        with suppress(IndexError):
            return writer.conversation.search(asked, ("1.1",), limit=1)[0][0]
    return ""
