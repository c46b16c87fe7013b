"""probe_servers as it is called."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from provisioning.models import ProbeAccount
from tests.factories import make_domain
from tests.services.alerts.test_alerts import make_server
from tests.services.probes.conftest import (
    Probed,
    authority,
    cluster,
    new_kamailio,
    new_lab,
    new_site,
    pings,
    probed,
    probing,
    quick,
    server_of,
    site,
)

__all__ = [
    "authority", "cluster", "new_kamailio", "new_lab", "new_site", "pings", "probed", "probing",
    "quick", "server_of", "site",
]  # fmt: skip
pytestmark = pytest.mark.django_db


def run(*arguments: Any) -> tuple[str, int]:
    out, code = io.StringIO(), 0
    try:
        call_command("probe_servers", *map(str, arguments), stdout=out)
    except CommandError as error:
        code = error.returncode
    return out.getvalue(), code


def test_accounts_are_made_and_removed_only_with_apply() -> None:
    make_domain()
    make_server()
    assert "would be made for: Frankfurt" in run("--set-up")[0]
    assert not ProbeAccount.objects.exists()
    assert json.loads(run("--set-up", "--apply", "--json")[0]) == {"accounts": {"Frankfurt": 3}}
    assert "3 probe accounts removed" in run("--take-away", "--apply")[0]
    assert run("nowhere") == ("", 3)


def test_a_server_is_probed_and_the_exit_status_says_what_was_found(probed: Probed) -> None:
    said, code = run("--json")
    assert code == 0
    [told] = json.loads(said)["servers"]
    assert told["probed"] is True
    standing = {each["kind"]: each["standing"] for each in told["kinds"]}
    assert standing["subscriber"] == "effective"
    assert standing["gateway"] == "unproven"
    probed.site.execute("UPDATE subscriber SET ha1 = 'x'")
    said, code = run()
    assert code == 1
    assert "subscriber: ineffective" in said
    probed.kamailio.stop()
    assert run()[1] == 1
    ProbeAccount.objects.all().delete()
    said, code = run(probed.server.name)
    assert "no probe account" in said
