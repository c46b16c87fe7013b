"""Explain why a person or an account is as it is."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from provisioning.core.errors import ProvisioningError
from provisioning.models import Account, Person
from provisioning.services.accounts.explain import (
    Explanation,
    explain_account,
    explain_membership,
    explain_person,
)
from provisioning.services.accounts.find import find_subjects


class Command(BaseCommand):
    """`explain <user name | SIP URI | number> [--group NAME] [--json]`.

    Exit 1 when nobody, or no group, is called that.
    """

    help = (
        "Say why a person or an account is as it is: state, rule, SIP URI, number, stores. "
        "Exit status: 0 said; 1 nobody, or no group, is called that."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """One name, and how to print."""
        parser.add_argument("name", help="user name, SIP URI or number")
        parser.add_argument(
            "--group", metavar="NAME", help="only why the person is in this group, or is not"
        )
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        """Print every explanation."""
        try:
            subjects = find_subjects(text=options["name"])
            explained = {
                self._title(subject): self._explain(subject, options["group"])
                for subject in subjects
            }
        except ProvisioningError as error:
            raise CommandError(error.message) from error
        if options["json"]:
            answer = {title: [asdict(e) for e in found] for title, found in explained.items()}
            self.stdout.write(json.dumps(answer, ensure_ascii=False, indent=2))
            return
        for title, found in explained.items():
            self._print(title, found)

    def _print(self, title: str, found: list[Explanation]) -> None:
        self.stdout.write(self.style.MIGRATE_HEADING(title))
        width = max(len(explanation.title) for explanation in found)
        for explanation in found:
            self.stdout.write(f"  {explanation.title:<{width}}  {explanation.value}")
            if explanation.because:
                self.stdout.write(f"  {'':<{width}}    {explanation.because}")

    def _explain(self, subject: Person | Account, group: str | None) -> list[Explanation]:
        if group is not None:
            if isinstance(subject, Person):
                return [explain_membership(person=subject, group=group)]
            because = "the account belongs to no person, and groups have people"
            return [Explanation(f"Group {group}", "not a member", because)]
        if isinstance(subject, Person):
            return explain_person(person=subject)
        return explain_account(account=subject)

    def _title(self, subject: Person | Account) -> str:
        if isinstance(subject, Person):
            return f"{subject} ({subject.login}, {subject.source})"
        return f"{subject} (sip:{subject.aor})"
