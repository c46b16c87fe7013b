"""The Django project: settings, URLs, Celery, and the directory sign-in."""

from rtcadmin.celery import app as celery_app

__all__ = ["celery_app"]
