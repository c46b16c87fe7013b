"""Commands whose names may stand before, between and after their options."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandParser


class AnyOrderCommand(BaseCommand):
    """A command with several positional arguments, of which the last may be left out."""

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        """The parser, as Django makes it; argparse alone ends such a list at the first option."""
        parser = super().create_parser(prog_name, subcommand, **kwargs)
        parser.parse_args = parser.parse_intermixed_args  # type: ignore[method-assign]
        return parser
