"""Sites: places with a country, whose numbers and dial rules people share."""

from __future__ import annotations

from django.core.validators import RegexValidator
from django.db import models

from provisioning.core.text import fold


class Site(models.Model):
    """A place of the organisation."""

    name = models.CharField(max_length=100, unique=True)
    country = models.CharField(
        max_length=2,
        help_text="Two letters (ISO 3166), such as GB",
        validators=[RegexValidator(r"^[A-Z]{2}$", "Two capital letters, such as GB.")],
    )
    time_zone = models.CharField(max_length=60, default="UTC")
    address = models.TextField(blank=True)
    main_number = models.CharField(max_length=16, blank=True)
    emergency_callback = models.CharField("emergency callback number", max_length=16, blank=True)
    dial_rules = models.TextField(
        "dial rules", blank=True, help_text="PATTERN -> TRANSLATION, one per line"
    )
    match_values = models.TextField(
        "directory values",
        blank=True,
        help_text="Values of “office” that mean this site, one per line",
    )

    def __str__(self) -> str:
        return self.name

    def matches(self) -> set[str]:
        """The folded directory values that mean this site, its own name among them."""
        return {
            fold(self.name),
            *(fold(line) for line in self.match_values.splitlines() if line.strip()),
        }
