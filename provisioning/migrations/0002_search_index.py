"""PostgreSQL finds part of a name by trigrams; services/console/search_indexes.py makes indexes."""

from __future__ import annotations

from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps


def create(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """The extension is a trusted one: the owner of the database may create it."""
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute("CREATE EXTENSION IF NOT EXISTS pg_trgm")


class Migration(migrations.Migration):
    dependencies = [("provisioning", "0001_initial")]

    # The extension stays: something else may use it.
    operations = [migrations.RunPython(create, migrations.RunPython.noop)]
