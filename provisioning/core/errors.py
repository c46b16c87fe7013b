"""Errors that cross floors: what happened, what did not change, whether a retry makes sense."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


class ProvisioningError(Exception):
    """Base of every error that an administrator may read.

    `message` says what happened and what to do next, in plain words and without secrets.
    `retry` answers whether the same call may succeed later without anybody changing anything.
    """

    retry = False

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class Unreachable(ProvisioningError):
    """The other side did not answer in time, or not at all: retried with backoff."""

    retry = True


class Rejected(ProvisioningError):
    """The other side answered and refused: recorded with its own words, never retried blindly."""


class AccessRefused(Rejected):
    """The other side answered and does not let the console in: a secret or an address is wrong."""


class KindUnavailable(Rejected):
    """The other side cannot hold one kind of things as it is now; it goes on holding the others."""


class IncompleteRead(ProvisioningError):
    """A directory read did not reach its end; nothing of it counts."""

    retry = True


class UnsafePlan(ProvisioningError):
    """A plan passes a limit and waits for an approver."""


class StalePlan(ProvisioningError):
    """What was planned no longer fits what is: it is planned anew, never forced."""


class InvalidInput(ProvisioningError):
    """A value that an administrator or a directory gave cannot be used."""


class InvalidFields(InvalidInput):
    """Several values cannot be used: `fields` says of each field of the row why."""

    def __init__(self, fields: dict[str, str]) -> None:
        super().__init__(" ".join(fields.values()))
        self.fields = fields


@contextmanager
def about(field: str) -> Iterator[None]:
    """Whatever InvalidInput is raised within is about `field`: it becomes InvalidFields."""
    try:
        yield
    except InvalidFields:
        raise
    except InvalidInput as error:
        raise InvalidFields({field: error.message}) from error


class Busy(ProvisioningError):
    """Somebody else holds the lease on this work right now."""

    retry = True
