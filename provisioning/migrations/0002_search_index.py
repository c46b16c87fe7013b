"""PostgreSQL finds part of a name by an index of trigrams; SQLite reads the rows fast enough."""

from __future__ import annotations

from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps

INDEXES = {
    "account_search": "provisioning_account",
    "person_search": "provisioning_person",
}


def create(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """The extension is a trusted one: the owner of the database may create it."""
    if schema_editor.connection.vendor != "postgresql":
        return
    schema_editor.execute("CREATE EXTENSION IF NOT EXISTS pg_trgm")
    for name, table in INDEXES.items():
        schema_editor.execute(f"CREATE INDEX {name} ON {table} USING gin (search_key gin_trgm_ops)")


def drop(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """The extension stays: something else may use it."""
    if schema_editor.connection.vendor == "postgresql":
        for name in INDEXES:
            schema_editor.execute(f"DROP INDEX {name}")


class Migration(migrations.Migration):
    dependencies = [("provisioning", "0001_initial")]

    operations = [migrations.RunPython(create, drop)]
