"""Forms of administration: console users, and the global Pause."""

from __future__ import annotations

from django import forms

from provisioning.core.roles import ROLE_CHOICES, Role
from provisioning.models import ConsoleUser
from provisioning.web.forms.sign_in import NewPasswordForm

ROLE_HELP = (
    "Administrators do everything. The help desk blocks, unblocks, renews credentials, hands out "
    "numbers and links. Viewers look."
)


class RightsForm(forms.Form):
    """What a console user may do."""

    name = forms.CharField(max_length=200, required=False)
    role = forms.ChoiceField(choices=ROLE_CHOICES, help_text=ROLE_HELP)
    may_export_secrets = forms.BooleanField(
        label="May export client profiles that hold a secret", required=False
    )
    is_active = forms.BooleanField(
        label="May sign in", required=False, help_text="Without it, every session ends at once."
    )

    def __init__(self, *args: object, user: ConsoleUser | None = None, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]
        if user is None:
            return
        for name in self.fields:
            self.initial.setdefault(name, getattr(user, name))
        if user.source_id is not None:
            for name in ("name", "role"):
                self.fields[name].disabled = True
            self.fields["role"].help_text = f"{user.source} decides this, through its groups."


class NewConsoleUserForm(NewPasswordForm):
    """A local console user."""

    username = forms.CharField(
        label="User name",
        max_length=64,
        help_text="Letters a to z, digits, dot, dash and underscore",
        widget=forms.TextInput(attrs={"autocomplete": "off", "autocapitalize": "none"}),
    )
    name = forms.CharField(max_length=200, required=False)
    role = forms.ChoiceField(choices=ROLE_CHOICES, initial=Role.VIEWER.value, help_text=ROLE_HELP)
    may_export_secrets = forms.BooleanField(
        label="May export client profiles that hold a secret", required=False
    )
    field_order = ("username", "name", "role", "may_export_secrets", "password", "repeated")


class PauseForm(forms.Form):
    """Why everything is paused."""

    reason = forms.CharField(
        max_length=200, help_text="Everybody sees it on every page, until the pause ends."
    )
