"""Forms of people who have not signed in yet."""

from __future__ import annotations

import unicodedata

from django import forms

# Hashing is slow on purpose: nobody may make it slower with a megabyte.
MAX_PASSWORD = 512


class SignInForm(forms.Form):
    """User name and password, of a local console user or of a directory."""

    username = forms.CharField(
        label="User name",
        max_length=150,
        widget=forms.TextInput(
            attrs={"autocomplete": "username", "autocapitalize": "none", "autofocus": True}
        ),
    )
    password = forms.CharField(
        max_length=MAX_PASSWORD,
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password"}),
    )

    def clean_username(self) -> str:
        """One form of a name, so that spelling it differently gives no further attempts."""
        name: str = self.cleaned_data["username"]
        return unicodedata.normalize("NFKC", name).casefold()


class NewPasswordForm(forms.Form):
    """A new password, twice."""

    password = forms.CharField(
        label="New password",
        max_length=MAX_PASSWORD,
        strip=False,
        help_text="At least 12 characters. A few unrelated words are easy to remember.",
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )
    repeated = forms.CharField(
        label="The same password again",
        max_length=MAX_PASSWORD,
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )

    def clean_repeated(self) -> str:
        """Both must be the same."""
        repeated: str = self.cleaned_data["repeated"]
        if repeated != self.cleaned_data.get("password", repeated):
            raise forms.ValidationError("The two passwords differ.")
        return repeated


class SetupForm(NewPasswordForm):
    """The first console user, and the token that this machine printed."""

    token = forms.CharField(
        label="Setup token",
        max_length=100,
        help_text="Printed on the server by: manage.py setup_token",
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )
    name = forms.CharField(label="Your name", max_length=200, required=False)
    username = forms.CharField(
        label="User name",
        max_length=64,
        initial="admin",
        help_text="Letters a to z, digits, dot, dash and underscore",
        widget=forms.TextInput(attrs={"autocomplete": "username", "autocapitalize": "none"}),
    )
    field_order = ("token", "name", "username", "password", "repeated")


class OwnPasswordForm(NewPasswordForm):
    """Changing one's own password asks for the present one."""

    current = forms.CharField(
        label="Your current password",
        max_length=MAX_PASSWORD,
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password"}),
    )
    field_order = ("current", "password", "repeated")
