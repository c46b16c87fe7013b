"""The Celery application: the broker only rings a bell, the work itself is in the database."""

from __future__ import annotations

import os
from logging.config import dictConfig

from celery import Celery
from celery.signals import setup_logging
from django.conf import settings

from rtcadmin.broker import use_transports

use_transports()
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "rtcadmin.settings")

app = Celery("rtcadmin")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks(["provisioning"])


@setup_logging.connect(weak=False)
def configure_logging(**_: object) -> None:
    """Logs of worker and beat follow the settings, as those of the web process do.

    Without this Celery sets a level of its own, so that nothing below a warning would be seen.
    """
    dictConfig(settings.LOGGING)
