"""Write-back: which values of accounts go into which attributes of a directory."""

from __future__ import annotations

from django.db import models

from provisioning.models.fields import keyring


class WriteBack(models.Model):
    """Whether a source is written to, and as whom; without a row nothing is."""

    source = models.OneToOneField(
        "provisioning.DirectorySource", on_delete=models.CASCADE, related_name="write_back"
    )
    enabled = models.BooleanField("write to this directory", default=False)
    bind_dn = models.CharField(
        "account that writes", max_length=500, blank=True,
        help_text="Empty: the account that reads",
    )  # fmt: skip
    sealed_secret = models.BinaryField(null=True, editable=False)
    # The latest change of an account that was looked at, and when everybody was.
    seen_change = models.DateTimeField(null=True, editable=False)
    last_full_at = models.DateTimeField(null=True, editable=False)

    def __str__(self) -> str:
        return f"write-back of {self.source}"

    @property
    def _place(self) -> str:
        return f"WriteBack:{self.pk}:secret"

    def set_secret(self, secret: str) -> None:
        """Seal the password of the account that writes (the row must have its id); empty erases."""
        self.sealed_secret = keyring().seal(secret, self._place) if secret else None

    def secret(self) -> str:
        """The password in clear, empty when none is kept."""
        return keyring().open(bytes(self.sealed_secret), self._place) if self.sealed_secret else ""


class WrittenAttribute(models.Model):
    """An attribute that the console writes, and the expression over account values for it.

    One that other systems live on needs a second console user: it is written only once somebody
    other than its author has approved it.
    """

    source = models.ForeignKey(
        "provisioning.DirectorySource", on_delete=models.CASCADE, related_name="written_attributes"
    )
    attribute = models.CharField(max_length=40)
    expression = models.CharField("value", max_length=500)
    author = models.ForeignKey(
        "provisioning.ConsoleUser", on_delete=models.SET_NULL, null=True, editable=False,
        related_name="+",
    )  # fmt: skip
    approved_by = models.ForeignKey(
        "provisioning.ConsoleUser", on_delete=models.SET_NULL, null=True, editable=False,
        related_name="+",
    )  # fmt: skip
    approved_at = models.DateTimeField(null=True, editable=False)

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=["source", "attribute"], name="written_attribute_once"),
        )

    def __str__(self) -> str:
        return self.attribute


class WrittenValue(models.Model):
    """A value that the console wrote into an entry, or was about to: only such are emptied."""

    source = models.ForeignKey(
        "provisioning.DirectorySource", on_delete=models.CASCADE, related_name="+", db_index=False
    )
    guid = models.CharField(max_length=36)
    attribute = models.CharField(max_length=40)
    value = models.CharField(max_length=256)

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=["source", "guid", "attribute", "value"], name="written_value_once"
            ),
        )

    def __str__(self) -> str:
        return f"{self.attribute} of {self.guid}"
