"""Forms of SIP servers and configuration stores; their secrets are written, never shown."""

from __future__ import annotations

from typing import Any

from django import forms

from provisioning.models import ConfigStore, SipServer

_PEM_HELP = (
    "Paste the certificate of the authority that signed the other side's certificate. Empty means: "
    "those that this machine trusts."
)
_PEM = forms.Textarea(attrs={"rows": 4, "spellcheck": "false", "class": "rt-mono"})


class SecretField(forms.CharField):
    """A secret that is kept when nothing is typed; its value is never sent back to the browser."""

    def __init__(self, **kwargs: Any) -> None:
        widget = forms.PasswordInput(
            attrs={"autocomplete": "new-password", "spellcheck": "false"}, render_value=False
        )
        super().__init__(required=False, strip=False, widget=widget, **kwargs)

    def say_that_one_is_kept(self, consequence: str) -> None:
        """Tell that there is a secret, and what makes the console forget it."""
        self.widget.attrs["placeholder"] = "Kept; type to replace"
        self.help_text = consequence


class StoreForm(forms.ModelForm):  # type: ignore[type-arg]  # not generic at runtime
    """Where servers read what the console writes."""

    secret = SecretField(label="Database password")

    class Meta:
        model = ConfigStore
        fields = (
            "name", "pool", "driver", "dialect", "host", "port", "database", "user", "tls",
            "ca_pem", "algorithm", "served", "repairs_drift", "limit_percent", "limit_ceiling",
        )  # fmt: skip
        labels = {"tls": "Connect with TLS and check the certificate"}  # noqa: RUF012
        help_texts = {  # noqa: RUF012
            "driver": "Asterisk reads its accounts from PostgreSQL; FreeSWITCH asks this console, "
            "which keeps its rows in PostgreSQL or SQLite",
            "host": "Not needed for SQLite",
            "port": "5432 for PostgreSQL, 3306 for MySQL and MariaDB",
            "database": "For SQLite the file's path on this machine",
            "ca_pem": _PEM_HELP,
            "algorithm": "What the servers of this store verify. MD5 unless every client can do "
            "SHA-256; Asterisk and OpenSIPS can offer both, OpenSIPS and FreeSWITCH SHA-512-256 "
            "too.",
            "limit_percent": "So many of its accounts, in percent, may lose service or change "
            "within 24 hours; more waits for an approval",
            "limit_ceiling": "And never more accounts than this",
        }
        widgets = {"ca_pem": _PEM}  # noqa: RUF012

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["pool"].empty_label = "Choose"  # type: ignore[attr-defined]
        if self.instance.sealed_secret is not None:
            self.fields["secret"].say_that_one_is_kept(  # type: ignore[attr-defined]
                "Kept; type to replace. It is erased when host, port, database, TLS or certificate "
                "authority change, so that it never goes to another machine."
            )

    @property
    def new_secret(self) -> str | None:
        """What was typed, or None to keep what is kept."""
        return self.cleaned_data.get("secret") or None


class ServerForm(forms.ModelForm):  # type: ignore[type-arg]  # not generic at runtime
    """One SIP server: where clients reach it, and how the console controls it."""

    secret = SecretField(
        label="Control secret",
        help_text="What a Kamailio, or the nginx of an OpenSIPS, expects in the header "
        "X-RPC-Secret; the password that an Asterisk has for the user rtcadmin, or a FreeSWITCH "
        "for its event socket",
    )

    class Meta:
        model = SipServer
        fields = (
            "name", "pool", "store", "sip_host", "tls_port", "tcp_port", "udp_port", "rpc_url",
            "ca_pem", "enabled",
        )  # fmt: skip
        labels = {"enabled": "Use this server"}  # noqa: RUF012
        help_texts = {  # noqa: RUF012
            "sip_host": "The name in the server's certificate: client profiles name it",
            "store": "The database that this server reads; of the same pool",
            "ca_pem": _PEM_HELP,
            "enabled": "Without it, the server is in no new client profile, and nobody watches it",
        }
        widgets = {"ca_pem": _PEM}  # noqa: RUF012

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in ("pool", "store"):
            self.fields[name].empty_label = "Choose"  # type: ignore[attr-defined]
        if self.instance.sealed_rpc_secret is not None:
            self.fields["secret"].say_that_one_is_kept(  # type: ignore[attr-defined]
                "Kept; type to replace. It is erased when scheme, host, port or certificate "
                "authority change, so that it never goes to another machine."
            )

    @property
    def new_secret(self) -> str | None:
        """What was typed, or None to keep what is kept."""
        return self.cleaned_data.get("secret") or None
