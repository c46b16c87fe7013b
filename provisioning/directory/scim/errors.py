"""What a SCIM client is told when a request cannot be carried out."""

from __future__ import annotations

from provisioning.core.errors import ProvisioningError


class ScimRefused(ProvisioningError):
    """A request that is refused: HTTP `status`, and `scim_type` of RFC 7644 table 9 or empty."""

    def __init__(self, status: int, message: str, scim_type: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.scim_type = scim_type


def invalid_value(message: str) -> ScimRefused:
    """A value that cannot be kept."""
    return ScimRefused(400, message, "invalidValue")


def invalid_path(message: str) -> ScimRefused:
    """A path of a PATCH that cannot be read."""
    return ScimRefused(400, message, "invalidPath")


def invalid_filter(message: str) -> ScimRefused:
    """A filter that cannot be read."""
    return ScimRefused(400, message, "invalidFilter")
