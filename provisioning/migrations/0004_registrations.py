"""Live registrations, in a table that is made to be changed often."""

from __future__ import annotations

import django.db.models.deletion
from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps

_TABLE = "provisioning_registeredcontact"


def leave_room(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Room in each page of PostgreSQL, so that a refreshed row stays in it and no index learns."""
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(f"ALTER TABLE {_TABLE} SET (fillfactor = 60)")


class Migration(migrations.Migration):
    dependencies = [
        ("provisioning", "0003_settings"),
    ]

    operations = [
        migrations.CreateModel(
            name="ContactList",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("known", models.BooleanField(default=False)),
                ("problem", models.TextField(blank=True)),
                ("count", models.PositiveIntegerField(default=0)),
                ("families", models.JSONField(default=dict)),
                (
                    "read_at",
                    models.DateTimeField(help_text="When it was last read to its end", null=True),
                ),
                ("lease_owner", models.CharField(blank=True, max_length=64)),
                ("lease_until", models.DateTimeField(null=True)),
                (
                    "store",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="contact_list",
                        to="provisioning.configstore",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="RegisteredContact",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("key", models.CharField(max_length=255)),
                ("aor", models.CharField(max_length=255, verbose_name="SIP URI")),
                ("domain", models.CharField(max_length=255, verbose_name="SIP domain")),
                ("contact", models.TextField()),
                ("received", models.CharField(blank=True, max_length=255)),
                ("transport", models.CharField(max_length=8)),
                ("user_agent", models.CharField(blank=True, max_length=255, verbose_name="client")),
                (
                    "family",
                    models.CharField(blank=True, max_length=60, verbose_name="client family"),
                ),
                ("since", models.DateTimeField(verbose_name="registered since")),
                ("expires_at", models.DateTimeField(null=True, verbose_name="expires")),
                ("search_key", models.TextField()),
                ("fingerprint", models.BigIntegerField()),
                (
                    "account",
                    models.ForeignKey(
                        db_constraint=False,
                        null=True,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="contacts",
                        to="provisioning.account",
                    ),
                ),
                (
                    "server",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        help_text="Where it came in, as far as its socket tells",
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="contacts",
                        to="provisioning.sipserver",
                    ),
                ),
                (
                    "store",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="contacts",
                        to="provisioning.configstore",
                    ),
                ),
            ],
            options={
                "verbose_name": "registration",
                "indexes": [
                    models.Index(fields=["aor", "id"], name="contact_by_aor"),
                    models.Index(fields=["since", "id"], name="contact_by_since"),
                ],
                "constraints": [
                    models.UniqueConstraint(fields=("store", "key"), name="contact_once")
                ],
            },
        ),
        migrations.RunPython(leave_room, migrations.RunPython.noop),
    ]
