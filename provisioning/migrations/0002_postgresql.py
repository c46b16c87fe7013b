"""What only PostgreSQL needs: trigrams for searches, and room in a table that is changed often."""

from __future__ import annotations

from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps


def find_parts_of_names(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """The extension is a trusted one: the owner of the database may create it.

    services/console/search_indexes.py makes the indexes once a table is large.
    """
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute("CREATE EXTENSION IF NOT EXISTS pg_trgm")


def leave_room(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """A refreshed registration stays in its page, and no index learns of it."""
    if schema_editor.connection.vendor == "postgresql":
        table = apps.get_model("provisioning", "RegisteredContact")._meta.db_table
        schema_editor.execute(f"ALTER TABLE {table} SET (fillfactor = 60)")


class Migration(migrations.Migration):
    dependencies = [("provisioning", "0001_initial")]

    # The extension stays: something else may use it.
    operations = [
        migrations.RunPython(find_parts_of_names, migrations.RunPython.noop),
        migrations.RunPython(leave_room, migrations.RunPython.noop),
    ]
