"""Values and rules: no Django, no Celery, no input or output."""
