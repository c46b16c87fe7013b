"""SIP servers: how they were found at the last look, how they are now, or tested step by step."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db.models import Count, QuerySet
from django.utils import timezone

from provisioning.core.errors import ProvisioningError
from provisioning.management.names import find_servers
from provisioning.management.step_output import FAILED, WARNING, print_step, steps_as_json
from provisioning.models import ConfigStore, PendingChange, SipServer
from provisioning.services.servers.connection_test import Step, StepState, probe_server, probe_store
from provisioning.services.servers.health_history import history_of, reach_of
from provisioning.services.servers.server_certificates import concern, read_certificates
from provisioning.services.servers.servers import check_servers

_DAY = timedelta(days=1)


class Command(BaseCommand):
    """`servers [SERVER …] [--now | --test] [--json]`."""

    help = (
        "Print how SIP servers and their stores are, as last looked at; --now asks them, --test "
        "tries the connections step by step. Exit status: 0 all is well; 1 a server does not "
        "answer, or a step failed; 2 something needs a look; 3 there is no such server."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Which servers, whether to ask them, and how to print."""
        parser.add_argument("servers", nargs="*", metavar="SERVER", help="names; all if none")
        what = parser.add_mutually_exclusive_group()
        what.add_argument("--now", action="store_true", help="ask now, and keep the answers")
        what.add_argument("--test", action="store_true",
                          help="try each connection step by step; nothing is kept")  # fmt: skip
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        """Look, then print."""
        servers = find_servers(options["servers"])
        if options["test"]:
            return self._test(servers, as_json=options["json"])
        if options["now"]:
            check_servers(servers=servers)
            read_certificates(servers=servers)
        stores = _stores(servers)
        found = [_told(server) for server in servers.all()]
        if options["json"]:
            answer = {"servers": found, "stores": stores}
            self.stdout.write(json.dumps(answer, ensure_ascii=False, indent=2))
        else:
            for each in found:
                self._print(each)
            for each in stores:
                self._print_store(each)
        self._leave(found, stores)
        return None

    def _test(self, servers: QuerySet[SipServer], *, as_json: bool) -> None:
        stores = {server.store_id: server.store for server in servers}
        tested = [*map(_server_test, servers), *map(_store_test, stores.values())]
        if as_json:
            told = [{of: name, "steps": steps_as_json(steps)} for of, name, steps in tested]
            self.stdout.write(json.dumps({"tests": told}, ensure_ascii=False, indent=2))
        else:
            for _, name, steps in tested:
                self.stdout.write(self.style.MIGRATE_HEADING(name))
                for step in steps:
                    print_step(self.stdout, step)
        states = {step.state for *_, steps in tested for step in steps}
        if StepState.FAILED in states:
            raise CommandError("A test ended at the step that failed.", returncode=FAILED)
        if StepState.WARNING in states:
            raise CommandError("It works; look at the warnings.", returncode=WARNING)

    def _print(self, each: dict[str, Any]) -> None:
        facts = [f"{each['latency_ms']:,.3g} ms" if each["latency_ms"] is not None else "",
                 each["version"],
                 _part(each["registrations"], "registrations"),
                 f"{each['memory_percent']:.3g} % memory" if each["memory_percent"] else "",
                 _part(each["connections"], "connections")]  # fmt: skip
        title = f"{each['server']} ({each['pool']}): {each['health']}"
        self.stdout.write(self.style.MIGRATE_HEADING(title))
        self.stdout.write(f"  {', '.join(filter(None, facts)) or 'nothing known'}")
        if each["answered_percent"] is not None:
            self.stdout.write(f"  answered {each['answered_percent']:.4g} % of a day's checks")
        expires = each["certificate"]["expires"]
        if expires:
            self.stdout.write(f"  certificate until {expires}")
        for text in (
            each["problem"], each["certificate"]["concern"], each["reload_problem"],
            f"maintenance until {each['maintenance_until']}" if each["maintenance_until"] else "",
        ):  # fmt: skip
            if text:
                self.stdout.write(f"  {text}")
        self.stdout.write(f"  looked at {each['checked'] or 'never'}")

    def _print_store(self, each: dict[str, Any]) -> None:
        self.stdout.write(self.style.MIGRATE_HEADING(f"Store {each['store']}: {each['mode']}"))
        self.stdout.write(
            f"  {each['pending']:,} pending, {each['given_up']:,} given up, {each['drift']:,} "
            f"differ; last push {each['last_push'] or 'never'}"
        )
        if each["problem"]:
            self.stdout.write(f"  {each['problem']}")

    def _leave(self, found: list[dict[str, Any]], stores: list[dict[str, Any]]) -> None:
        out = [e["server"] for e in found if e["health"] in SipServer.Health.out_of_reach()]
        if out:
            raise CommandError(f"Out of reach: {', '.join(out)}.", returncode=FAILED)
        doubtful = [
            each["server"]
            for each in found
            if each["health"] == SipServer.Health.UNKNOWN
            or each["certificate"]["concern"]
            or each["reload_problem"]
        ]
        doubtful += [each["store"] for each in stores if each["problem"] or each["given_up"]]
        if doubtful:
            raise CommandError(f"Look at {', '.join(doubtful)}.", returncode=WARNING)


def _server_test(server: SipServer) -> tuple[str, str, list[Step]]:
    try:
        steps = probe_server(record=server.as_record(), listeners=server.listeners())
    except ProvisioningError as error:
        steps = [Step("Secret", StepState.FAILED, error.message)]
    return "server", server.name, steps


def _store_test(store: ConfigStore) -> tuple[str, str, list[Step]]:
    try:
        steps = probe_store(record=store.as_record())
    except ProvisioningError as error:
        steps = [Step("Secret", StepState.FAILED, error.message)]
    return "store", store.name, steps


def _stores(servers: QuerySet[SipServer]) -> list[dict[str, Any]]:
    rows = ConfigStore.objects.filter(servers__in=servers).distinct().order_by("name")
    changes = PendingChange.objects.filter(store__in=rows)
    waiting, given_up = (
        dict(changes.filter(dead=dead).values_list("store").annotate(Count("pk")))
        for dead in (False, True)
    )
    return [
        {
            "store": row.name, "driver": row.driver, "mode": row.mode,
            "pending": waiting.get(row.pk, 0), "given_up": given_up.get(row.pk, 0),
            "drift": row.drift_count, "problem": row.problem or row.reconcile_problem,
            "last_push": _at(row.last_push_at), "compared": _at(row.reconciled_at),
        }
        for row in rows
    ]  # fmt: skip


def _told(row: SipServer) -> dict[str, Any]:
    samples = history_of(server=row, since=timezone.now() - _DAY)
    return {
        "server": row.name, "pool": row.pool.name, "store": row.store.name,
        "driver": row.store.driver, "enabled": row.enabled, "health": row.health,
        "problem": row.health_problem, "version": row.version, "latency_ms": row.latency_ms,
        "registrations": row.registration_count, "memory_percent": row.memory_percent,
        "connections": row.connections, "answered_percent": reach_of(samples=samples).percent,
        "up_since": _at(row.up_since), "down_since": _at(row.down_since),
        "checked": _at(row.checked_at),
        "listeners": [f"{each.transport}:{each.host}:{each.port}" for each in row.listeners()],
        "certificate": {
            "subject": row.certificate_subject, "issuer": row.certificate_issuer,
            "expires": _at(row.certificate_expires_at), "concern": concern(row),
            "checked": _at(row.certificate_checked_at),
        },
        "reload_pending": row.reload_pending, "reload_problem": row.reload_problem,
        "maintenance_until": _at(row.maintenance_until) if row.in_maintenance else None,
    }  # fmt: skip


def _at(moment: datetime | None) -> str | None:
    return moment.isoformat(timespec="seconds") if moment else None


def _part(count: int | None, noun: str) -> str:
    return "" if count is None else f"{count:,} {noun}"
