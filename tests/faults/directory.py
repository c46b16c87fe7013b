"""A source that leads to the lab's OpenLDAP, and one sync of it."""

from __future__ import annotations

import pytest

from lab.slapd import Slapd
from provisioning.models import AccountRule, DirectorySource, Run
from provisioning.services.actor import SYNC
from provisioning.services.runs import runs
from tests.factories import make_rule
from tests.lab.fixtures import authority, people, slapd
from tests.sources import saved_source

__all__ = ["authority", "people", "slapd"]


@pytest.fixture
def rule(db: None) -> AccountRule:
    """A rule for everybody whose numbers and SIP URIs follow the directory."""
    return make_rule(name="Everybody", follow_user=True, follow_number=True)


@pytest.fixture
def source(slapd: Slapd, rule: AccountRule) -> DirectorySource:
    """The lab's directory, read by small pages."""
    return saved_source(slapd, name="Head office", page_size=9)


def sync(source: DirectorySource) -> Run:
    """One sync, carried out here; the run as it ended."""
    run = runs.request_sync(source=source, actor=SYNC)
    runs.execute_run(run_id=run.pk)
    run.refresh_from_db()
    return run
