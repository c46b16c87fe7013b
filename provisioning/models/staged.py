"""How changes come to the servers of a pool: in stages, within change windows, after approval."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils import timezone

from provisioning.core.windows import Window, is_open, next_change, read_windows

_PERCENT = MaxValueValidator(100)


class Staged(models.Model):
    """What of a change of settings and routes, or of a run over many accounts, goes when."""

    staged = models.BooleanField(
        "changes go in stages",
        default=False,
        help_text="Settings, routes and large runs: first one server, watched, then the others",
    )
    stage_from = models.PositiveIntegerField(
        "runs over so many accounts go in stages",
        default=50,
        help_text="Smaller ones, and the blocks of leavers, always go at once",
    )
    batch_size = models.PositiveIntegerField(
        "accounts of the second stage",
        default=100,
        validators=[MinValueValidator(1), MaxValueValidator(500)],
        help_text="Where all servers share a store: one account, then so many, then the rest",
    )
    gate_seconds = models.PositiveIntegerField(
        "seconds that each stage is watched",
        default=60,
        validators=[MaxValueValidator(24 * 3600)],
    )
    most_lost_percent = models.PositiveIntegerField(
        "most lost registrations (%)",
        default=20,
        validators=[_PERCENT],
        help_text="If a server loses more, what was changed is put back",
    )
    most_failed_percent = models.PositiveIntegerField(
        "most refused changes (%)",
        default=5,
        validators=[_PERCENT],
        help_text="If a store refuses more, what was changed is put back",
    )
    windows = models.TextField(
        "change windows",
        blank=True,
        help_text="One a line, such as Mon-Fri 22:00-05:00; empty for always",
    )
    time_zone = models.CharField(
        max_length=64,
        blank=True,
        help_text="Such as Europe/London; empty for that of the console",
    )
    needs_approval = models.BooleanField(
        "somebody else approves what goes in stages",
        default=False,
        help_text="An administrator who changed nothing of it",
    )

    class Meta:
        abstract = True

    @property
    def zone(self) -> ZoneInfo:
        """The time zone of the change windows."""
        return ZoneInfo(self.time_zone or settings.TIME_ZONE)

    @property
    def change_windows(self) -> tuple[Window, ...]:
        """The change windows as values."""
        return read_windows(self.windows)

    def window_opens(self) -> datetime | None:
        """When changes may go, where they may not now; None where they may."""
        windows, now = self.change_windows, timezone.now()
        return None if is_open(windows, self.zone, now) else next_change(windows, self.zone, now)
