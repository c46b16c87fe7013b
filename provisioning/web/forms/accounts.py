"""Forms of accounts."""

from __future__ import annotations

from typing import Any

from django import forms

from provisioning.models import Account, ClientProfile, ServerPool, SipDomain, Site
from provisioning.services.accounts.aliases import LONGEST_DAYS
from provisioning.web.forms.choices import choose_the_only
from provisioning.web.ids import row_id

REASON = "It is kept in the audit log and shown to the next administrator."


class DayInput(forms.DateInput):
    """A browser's own choice of a day, which takes and gives ISO 8601 whatever the language."""

    input_type = "date"

    def __init__(self) -> None:
        super().__init__(format="%Y-%m-%d")


class ReasonForm(forms.Form):
    """Why something is done."""

    reason = forms.CharField(max_length=200, help_text=REASON)


class ApprovableForm(forms.Form):
    """What may pass a limit, where somebody who may approve confirms it."""

    approved = forms.BooleanField(
        label="Do it although a limit is passed", required=False, widget=forms.HiddenInput
    )

    def ask_for_approval(self) -> None:
        """Show the tick that confirms what passes a limit."""
        self.fields["approved"].widget = forms.CheckboxInput()


class ManyForm(ApprovableForm):
    """Which accounts were chosen, as their ids joined by commas."""

    ids = forms.CharField(max_length=20_000, widget=forms.HiddenInput)

    def clean_ids(self) -> list[int]:
        """The ids as numbers."""
        return self.ids_of(self.cleaned_data["ids"])

    @staticmethod
    def ids_of(text: str) -> list[int]:
        """The ids in `text`; raises ValidationError where one is none."""
        parts = [row_id(part) for part in text.split(",") if text]
        ids = [part for part in parts if part is not None]
        if len(ids) != len(parts):
            raise forms.ValidationError("Choose the accounts in the list again.")
        return ids


class BlockManyForm(ManyForm, ReasonForm):
    """Which accounts are blocked, and why."""

    field_order = ("ids", "reason", "approved")


class MoveManyForm(ApprovableForm, ReasonForm):
    """Which accounts move, those that were ticked or all that match, where to, how long and why."""

    ids = forms.CharField(max_length=20_000, required=False, widget=forms.HiddenInput)
    all = forms.BooleanField(required=False, widget=forms.HiddenInput)
    pool = forms.ModelChoiceField(
        ServerPool.objects.order_by("name"), label="New home pool", empty_label="Choose"
    )
    ends_on = forms.DateField(
        label="Until",
        required=False,
        widget=DayInput(),
        help_text="The account rules decide again from the next day. Empty: until you end the pin.",
    )
    field_order = ("ids", "all", "pool", "ends_on", "reason", "approved")

    def clean_ids(self) -> list[int]:
        """The ids as numbers; none where all that match are meant."""
        return ManyForm.ids_of(self.cleaned_data["ids"])


class RestoreForm(ReasonForm):
    """Until when, and why, the account of somebody who left works again."""

    ends_on = forms.DateField(
        label="Until",
        required=False,
        widget=DayInput(),
        help_text="Empty: until you end the pin.",
    )


class HoldForm(ReasonForm):
    """Until when, and why, somebody is on leave."""

    ends_on = forms.DateField(
        label="Last day of the leave",
        widget=DayInput(),
        help_text="The day after, directory and rules decide again by themselves.",
    )
    field_order = ("ends_on", "reason")


class NumberForm(forms.Form):
    """A number in any notation."""

    number = forms.CharField(
        max_length=40,
        help_text="Such as +44 20 7946 0123, or as it is written in the country of the site.",
        widget=forms.TextInput(attrs={"inputmode": "tel", "autocomplete": "off"}),
    )


class ReleaseForm(forms.Form):
    """What becomes of a number that is released."""

    free = forms.BooleanField(
        label="Free at once",
        required=False,
        help_text="Otherwise it rests for 90 days, so that its callers do not reach somebody else.",
    )


class RenameForm(ReasonForm):
    """Another user part."""

    user_part = forms.CharField(
        label="New SIP URI (before the @)",
        max_length=64,
        widget=forms.TextInput(attrs={"class": "rt-mono", "autocapitalize": "none"}),
    )
    alias_days = forms.IntegerField(
        label="The old one leads on for (days)",
        required=False,
        initial=0,
        min_value=0,
        max_value=LONGEST_DAYS,
        help_text="Calls to it reach the account until then, and nobody else gets it. 0: it ends "
        "now.",
    )
    field_order = ("user_part", "alias_days", "reason")

    def clean_alias_days(self) -> int:
        """Nothing means not at all."""
        return self.cleaned_data["alias_days"] or 0


class PlaceForm(forms.Form):
    """Where an account is at home, and what its clients are told."""

    pool = forms.ModelChoiceField(
        ServerPool.objects.order_by("name"), label="Home pool", empty_label="Choose"
    )
    site = forms.ModelChoiceField(
        Site.objects.order_by("name"),
        required=False,
        empty_label="No site",
        help_text="Its country reads national numbers.",
    )
    profile = forms.ModelChoiceField(
        ClientProfile.objects.order_by("name"),
        label="Client profile",
        required=False,
        empty_label="The default one",
    )


class PersonAccountForm(PlaceForm):
    """The place of a person's account: what is changed here becomes a pin."""

    reason = forms.CharField(
        max_length=200,
        required=False,
        help_text="Needed for a change: it is pinned, so that the account rules do not undo it.",
    )


class OwnAccountForm(PlaceForm):
    """An account without a person."""

    name = forms.CharField(max_length=200)
    responsible = forms.CharField(
        max_length=200, required=False, help_text="Who answers for it: a name, a team, an address."
    )
    ends_on = forms.DateField(
        label="Ends on",
        required=False,
        widget=DayInput(),
        help_text="The last day on which it works. Empty: no end.",
    )
    field_order: tuple[str, ...] = ("name", "pool", "site", "profile", "responsible", "ends_on")


class NewAccountForm(OwnAccountForm):
    """A new account without a person."""

    kind = forms.ChoiceField(
        choices=[choice for choice in Account.Kind.choices if choice[0] != Account.Kind.PERSON]
    )
    user_part = forms.CharField(
        label="SIP URI (before the @)",
        max_length=64,
        widget=forms.TextInput(attrs={"class": "rt-mono", "autocapitalize": "none"}),
        help_text="Letters a to z, digits, dot, dash, underscore and +; such as room-aquarium.",
    )
    domain = forms.ModelChoiceField(
        SipDomain.objects.order_by("domain"),
        label="SIP domain (after the @)",
        empty_label="Choose",
    )
    number = forms.CharField(
        max_length=40,
        required=False,
        help_text="In any notation of the site's country.",
        widget=forms.TextInput(attrs={"inputmode": "tel", "autocomplete": "off"}),
    )
    field_order = (
        "kind", "name", "user_part", "domain", "pool", "site", "number", "profile", "responsible",
        "ends_on",
    )  # fmt: skip

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        choose_the_only(self, "domain", "pool")
