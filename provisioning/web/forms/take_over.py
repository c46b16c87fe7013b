"""Forms of the take-over: what to adopt, what to manage, what to ignore, why to revert."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django import forms
from django.utils import timezone

from provisioning.core.errors import InvalidInput
from provisioning.drivers.base import Kind
from provisioning.models import ConfigStore, DirectoryGroup, SipDomain
from provisioning.services.push.revert import HOLD_DAYS
from provisioning.services.servers.adopt_choice import MATCHES, Portion, read_aors
from provisioning.web.forms.accounts import DayInput
from provisioning.web.ids import row_id
from provisioning.web.servers.stores import KINDS

_LINES = forms.Textarea(attrs={"rows": 3, "spellcheck": "false", "class": "rt-mono"})


class _Rows(forms.ModelMultipleChoiceField):  # type: ignore[type-arg]
    """Django asks the database for numbers of any length; SQLite refuses long ones."""

    def clean(self, value: Any) -> Any:
        """The chosen rows."""
        for each in value or ():
            if row_id(str(each)) is None:
                raise forms.ValidationError("Choose from the list.")
        return super().clean(value)


def _domains() -> _Rows:
    return _Rows(
        SipDomain.objects.order_by("domain"),
        label="SIP domains",
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text="None ticked: all.",
    )


def _find_groups(text: str) -> list[DirectoryGroup]:
    names = {line.strip() for line in text.splitlines() if line.strip()}
    groups = list(DirectoryGroup.objects.filter(name__in=names, left_at=None).order_by("name_key"))
    missing = names - {group.name for group in groups}
    if missing:
        raise forms.ValidationError(f"There is no group {', '.join(sorted(missing))}.")
    return groups


class PortionForm(forms.Form):
    """Which accounts of a store shall be adopted."""

    domains = _domains()
    # Not "matches": a control of that name hides the function of the form's element.
    found_by = forms.MultipleChoiceField(
        label="Found by",
        choices=[(each, each) for each in MATCHES],
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text="None ticked: all. “SIP URI” means that an account here has it already.",
    )
    group = forms.CharField(
        max_length=200, required=False, help_text="Only people in this group, by its name."
    )
    aors = forms.CharField(
        label="SIP URIs",
        required=False,
        widget=_LINES,
        help_text="Only these: one a line, or the rows of a CSV with the SIP URI first.",
    )
    clear_text = forms.BooleanField(
        label="Take over passwords that stand there in clear",
        required=False,
        help_text="They are sealed here. When the store is managed, the digest is written and the "
        "clear text at the server locked: its servers must verify by ha1 then (calculate_ha1 0).",
    )

    def clean_group(self) -> DirectoryGroup | None:
        """The group of that name."""
        return next(iter(_find_groups(self.cleaned_data["group"])), None)

    def clean_aors(self) -> frozenset[str] | None:
        """The SIP URIs, None for all."""
        if not self.cleaned_data["aors"].strip():
            return None
        try:
            return read_aors(self.cleaned_data["aors"].encode())
        except InvalidInput as error:
            raise forms.ValidationError(error.message) from error

    def portion(self) -> Portion:
        """What was chosen."""
        chosen = self.cleaned_data
        return Portion(
            domains=frozenset(each.domain for each in chosen["domains"]),
            group=chosen["group"],
            matches=frozenset(chosen["found_by"]),
            aors=chosen["aors"],
            clear_text=chosen["clear_text"],
        )


class ScopeForm(forms.Form):
    """What of a store is written."""

    kinds = forms.MultipleChoiceField(
        choices=[(kind.value, KINDS[kind.value]) for kind in Kind],
        label="Kinds",
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text="None ticked: all.",
    )
    domains = _domains()
    groups = forms.CharField(
        required=False,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text="Only the accounts of people in these groups: one name a line. Empty: everybody, "
        "and accounts without a person.",
    )

    def clean_groups(self) -> list[DirectoryGroup]:
        """The groups of those names."""
        return _find_groups(self.cleaned_data["groups"])

    @classmethod
    def of(cls, store: ConfigStore) -> ScopeForm:
        """The form with what holds now."""
        names = store.scope_groups.order_by("name_key").values_list("name", flat=True)
        return cls(
            initial={
                "kinds": store.scope_kinds,
                "domains": store.scope_domains.all(),
                "groups": "\n".join(names),
            }
        )


class IgnoreForm(forms.Form):
    """Until when differences are left alone, and why."""

    until = forms.DateField(label="Ignore until", required=False, widget=DayInput())
    reason = forms.CharField(max_length=200, required=False)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        in_a_week = timezone.localdate() + timedelta(days=7)
        self.fields["until"].initial = in_a_week.isoformat()


class RevertForm(forms.Form):
    """Why a push is reverted, and how long the result is left alone."""

    reason = forms.CharField(max_length=200)
    days = forms.IntegerField(
        label="Leave alone for so many days",
        min_value=1,
        max_value=90,
        initial=HOLD_DAYS,
        help_text="What the console wants has not changed: change that meanwhile, or it is written "
        "again afterwards. A change of an account is written at once.",
    )
    approved = forms.BooleanField(
        label="Pass the limit of this store", required=False, widget=forms.HiddenInput
    )

    def ask_for_approval(self) -> None:
        """Show the box with which somebody who may approve passes the limit."""
        self.fields["approved"].widget = forms.CheckboxInput()
