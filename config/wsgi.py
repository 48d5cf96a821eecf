"""The web process; in the demo the worker lives in it as a thread."""

import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

from django.conf import settings
from django.core.wsgi import get_wsgi_application

application = get_wsgi_application()

from config.start import refuse_if_unsafe  # noqa: E402  (needs the apps)

refuse_if_unsafe()
if settings.RUN_WORKER_IN_WEB:
    from config import worker
    from config.celery import app

    worker.run_as_thread(app)
