"""What a service refused, as errors of a form."""

from __future__ import annotations

from django import forms

from provisioning.core.errors import InvalidFields, ProvisioningError


def add_errors(form: forms.BaseForm, error: ProvisioningError) -> None:
    """Put `error` at the fields that it names (a dot is a dash there), or above the form."""
    if not isinstance(error, InvalidFields):
        form.add_error(None, error.message)
        return
    for field, reason in error.fields.items():
        name = field.replace(".", "-")
        if name not in form.fields:
            form.add_error(None, reason)
        elif not form.has_error(name):
            form.add_error(name, reason)
