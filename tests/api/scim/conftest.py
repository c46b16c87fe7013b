"""A source with a SCIM client."""

from __future__ import annotations

import pytest

from tests.api.scim.client import ScimClient, scim_client


@pytest.fixture
def scim(db: None) -> ScimClient:
    """The client of a source."""
    return scim_client()
