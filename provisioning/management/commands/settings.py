"""Settings on the command line: listed, explained, given and taken back; dry by default."""

from __future__ import annotations

import json
from typing import Any

from django.core.management.base import CommandError, CommandParser

from provisioning.core.errors import InvalidInput, ProvisioningError
from provisioning.core.settings.catalogue import CATALOGUE, find_setting
from provisioning.core.settings.resolver import Effective
from provisioning.core.settings.setting import SettingScope
from provisioning.management.any_order import AnyOrderCommand
from provisioning.services.actor import COMMAND_LINE
from provisioning.services.settings.change import set_value
from provisioning.services.settings.effective import effective_at, explain_setting
from provisioning.services.settings.holding import holders
from provisioning.services.settings.loss import SettingChange
from provisioning.services.settings.places import Place, find_place_named


class Command(AnyOrderCommand):
    """`settings (list | get | explain | set | unset) [KEY] [VALUE] [--at SCOPE[:NAME]] …`."""

    help = (
        "List and explain settings, give them values and take these back. "
        "Exit status: 0 done, 1 not possible, 2 a limit is passed and nobody approved."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """What to do, with which setting, where, for real or not, and how to print."""
        parser.add_argument("action", choices=("list", "get", "explain", "set", "unset"))
        parser.add_argument("key", nargs="?", default="", metavar="KEY", help="of a setting")
        parser.add_argument("value", nargs="?", metavar="VALUE", help="for set")
        parser.add_argument(
            "--at", default=SettingScope.GLOBAL.value, metavar="SCOPE:NAME",
            help="such as pool:Berlin or account:ann@example.com; everywhere by default",
        )  # fmt: skip
        parser.add_argument("--apply", action="store_true", help="keep what set or unset would do")
        parser.add_argument("--approve", action="store_true", help="though it passes a limit")
        parser.add_argument("--json", action="store_true", help="print JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        """Do one of them."""
        try:
            scope, _, name = options["at"].partition(":")
            place = find_place_named(scope, name)
            if options["action"] in ("set", "unset"):
                return self._change(place, options)
            if options["action"] == "list":
                return self._list(effective_at(place=place), options)
            setting = find_setting(options["key"])
            effective = explain_setting(place=place, key=setting.key)
        except ProvisioningError as error:
            raise CommandError(error.message) from error
        if options["action"] == "get" and not options["json"]:
            self.stdout.write(setting.type.write(effective.value))
        else:
            self._explain(effective, options)
        return None

    def _list(self, found: list[Effective], options: dict[str, Any]) -> None:
        if options["json"]:
            self._print([_as_json(each) for each in found])
            return
        width = max(map(len, CATALOGUE))
        for each in found:
            self.stdout.write(f"{each.setting.key:{width}}  {each.shown}  ({each.origin})")

    def _explain(self, effective: Effective, options: dict[str, Any]) -> None:
        if options["json"]:
            self._print(_as_json(effective))
            return
        setting = effective.setting
        self.stdout.write(f"{setting.label}: {effective.shown} ({effective.origin})")
        for each in effective.beaten:
            self.stdout.write(f"  beats {setting.type.show(each.value)} ({each.origin})")
        self.stdout.write(f"  default {setting.type.show(setting.default)}")
        self.stdout.write(f"{setting.help} Held by {', '.join(holders(setting))}.")

    def _change(self, place: Place, options: dict[str, Any]) -> None:
        setting = find_setting(options["key"])
        value = None
        if options["action"] == "set":
            if options["value"] is None:
                raise InvalidInput(f"Give the value: {setting.type.hint}. Nothing was changed.")
            value = setting.type.read(options["value"])
        # Weighed first: what passes a limit unapproved is told with its numbers, not refused.
        change = set_value(place=place, setting=setting, value=value, actor=COMMAND_LINE, dry=True)
        held = bool(change.breaches) and not options["approve"]
        done = options["apply"] and not held
        if done:
            change = set_value(
                place=place, setting=setting, value=value, actor=COMMAND_LINE,
                approved=options["approve"],
            )  # fmt: skip
        self._tell(change, done=done, options=options)
        if held:
            raise CommandError("A limit is passed: add --approve if it is meant.", returncode=2)

    def _tell(self, change: SettingChange, *, done: bool, options: dict[str, Any]) -> None:
        if options["json"]:
            told = _as_json(change.after) | {
                "at": change.place.label, "before": _plain(change.before),
                "accounts": change.changed, "losing": change.losing,
                "limits": list(change.breaches), "dry": not done,
            }  # fmt: skip
            self._print(told)
            return
        verb = "is" if done else "would be"
        label = f"{change.setting.label} of {change.place.label}"
        self.stdout.write(f"{label} {verb} {change.after.shown} ({change.after.origin}).")
        self.stdout.write(f"Before: {change.before.shown}. Accounts: {change.changed:,}.")
        for breach in change.breaches:
            self.stdout.write(breach)
        self.stdout.write(
            change.setting.family.effect if done else "Nothing was changed; add --apply."
        )

    def _print(self, found: object) -> None:
        self.stdout.write(json.dumps(found, ensure_ascii=False, indent=2))


def _plain(effective: Effective) -> object:
    value = effective.value
    return list(value) if isinstance(value, tuple) else value


def _as_json(effective: Effective) -> dict[str, Any]:
    setting = effective.setting
    return {
        "key": setting.key,
        "value": _plain(effective),
        "shown": effective.shown,
        "origin": effective.origin,
        "beaten": [
            {"shown": setting.type.show(each.value), "origin": each.origin}
            for each in effective.beaten
        ],
        "covers": list(setting.covers),
        "held_by": holders(setting),
    }
