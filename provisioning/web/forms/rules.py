"""Form of an account rule."""

from __future__ import annotations

from typing import Any

from django import forms

from provisioning.core.records import PERSON_FIELDS
from provisioning.models import AccountRule, DirectoryGroup
from provisioning.web.forms.choices import choose_the_only
from provisioning.web.ids import row_id


class RuleForm(forms.ModelForm):  # type: ignore[type-arg] # not subscriptable at run time
    """Who falls under the rule, and which account that gives them."""

    group = forms.ModelChoiceField(
        queryset=DirectoryGroup.objects.filter(left_at=None).select_related("source"),
        required=False,
        widget=forms.HiddenInput,
        error_messages={"invalid_choice": "That group is not there any more; choose another."},
    )

    class Meta:
        model = AccountRule
        fields = (
            "name", "enabled", "source", "group", "ou", "condition", "domain", "pool",
            "user_formula", "follow_user", "alias_days", "number_source", "number_formula",
            "number_range",
            "follow_number", "profile", "locked_out_is_disabled", "must_change_is_disabled",
            "grace_days",
        )  # fmt: skip
        labels = {  # noqa: RUF012 - Django's way
            "enabled": "Use this rule",
            "source": "People of",
            "ou": "Only people below this DN",
            "condition": "Only people for whom this is not empty",
            "domain": "SIP domain",
            "pool": "Home pool",
            "user_formula": "SIP URI: what stands before the @",
            "follow_user": "Change the SIP URI when the formula's value changes",
            "alias_days": "The old SIP URI leads on for (days)",
            "locked_out_is_disabled": "Disable whoever is locked out in the directory",
            "must_change_is_disabled": "Disable whoever must change the password",
            "grace_days": "Keep leavers for (days)",
            "number_source": "Numbers come",
            "number_formula": "Field with the number",
            "number_range": "Range",
            "follow_number": "Change the number when the directory's changes",
        }
        help_texts = {  # noqa: RUF012
            "enabled": "A rule that is not in use decides nothing; its people fall under the next",
            "source": "One directory, or all of them",
            "ou": "Such as ou=sales,dc=example,dc=com; empty: anywhere",
            "condition": "An expression such as equals(department, 'Sales'); empty: everybody",
            "user_formula": "An expression over a person's fields: " + ", ".join(PERSON_FIELDS),
            "follow_user": "Without it a marriage or a new user name only proposes a new SIP URI, "
            "and somebody decides. With it clients lose their registration and fetch again.",
            "alias_days": "After a change calls to it reach the account, nobody else gets it; 0: "
            "it ends at once",
            "locked_out_is_disabled": "Too many wrong passwords; usually the telephone stays",
            "must_change_is_disabled": "At the next sign-in; usually the telephone stays",
            "grace_days": "Then the account is removed; empty: as the source says",
            "number_formula": "An expression; national notation is read by the site's country",
            "follow_number": "Without it somebody keeps the first number that the directory gave",
            "profile": "How their clients are set up; empty: the default profile",
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["number_source"].widget = forms.RadioSelect(
            choices=AccountRule.NumberSource.choices
        )
        self.fields["alias_days"].required = False
        empty = {"source": "Every directory", "domain": "Choose", "pool": "Choose",
                 "number_range": "Choose", "profile": "The default"}  # fmt: skip
        for name, label in empty.items():
            self.fields[name].empty_label = label  # type: ignore[attr-defined]
        if self.instance.pk is None:
            choose_the_only(self, "domain", "pool")

    def clean_alias_days(self) -> int:
        """Nothing means not at all."""
        return self.cleaned_data["alias_days"] or 0

    def clean(self) -> dict[str, Any]:
        """A group is chosen, or none is."""
        values = super().clean() or self.cleaned_data
        if "group" not in self.data:
            self.add_error("group", "Choose a group, or “No group”.")
        return values

    @property
    def chosen_group(self) -> DirectoryGroup | None:
        """The group that the form holds now."""
        pk = row_id(str(self["group"].value()))
        groups = DirectoryGroup.objects.select_related("source")
        return None if pk is None else groups.filter(pk=pk).first()
