"""Celery's settings: one queue per kind of work, so that a campaign does not delay one person."""

from typing import Any

from django.conf import settings
from kombu import Queue

# kombu complains about an in-memory broker without a host
broker_url = "memory://localhost/" if settings.CELERY_BROKER_URL.startswith("memory:") else settings.CELERY_BROKER_URL
result_backend = None
task_ignore_result = True
task_serializer = "json"
accept_content = ["json"]
timezone = "UTC"
enable_utc = True

task_queues = [Queue(name) for name in ("inbox", "outbox", "bulk", "notices", "imports")]
task_default_queue = "bulk"
task_create_missing_queues = False
task_routes = {
    "beckn.tasks.process_inbox": {"queue": "inbox"},
    "beckn.tasks.deliver_outbox": {"queue": "outbox"},
    "enrollment.notices.*": {"queue": "notices"},
    "portals.tasks.work_on_imports": {"queue": "imports"},
}

# A row's lease, not the broker, decides who redoes a lost task: acknowledge at once and never redeliver twice.
task_acks_late = False
worker_prefetch_multiplier = 1
worker_hijack_root_logger = False
worker_send_task_events = False
worker_cancel_long_running_tasks_on_connection_loss = False
worker_pool = "threads"
worker_concurrency = settings.WORKER_THREADS

task_publish_retry = False
broker_connection_timeout = 1.0
broker_connection_retry_on_startup = True
broker_connection_max_retries = None
_ONCE_MORE = {"max_retries": 1, "interval_start": 0, "interval_step": 0}  # at once: left to itself it pauses for 2 s
TRANSPORT_OPTIONS: dict[str, dict[str, Any]] = {
    "memory": {"polling_interval": 0.05},
    "redis": {"socket_connect_timeout": 0.5, "socket_timeout": 0.5, "retry_on_timeout": False, **_ONCE_MORE},
    "amqp": {**_ONCE_MORE},
}
_scheme = broker_url.partition(":")[0]
broker_transport_options = TRANSPORT_OPTIONS[{"rediss": "redis", "amqps": "amqp"}.get(_scheme, _scheme)]
# A consumer's reads wait for work, a second at a time (`config.worker`); whoever only rings does not wait.
consumer_socket_seconds = 5.0

# The jobs look at rows to know what is due; a beat that keeps a file of its own would only be in the way.
beat_scheduler = "celery.beat:Scheduler"
beat_schedule = {
    name: {"task": name, "schedule": settings.BEAT_SECONDS, "options": {"expires": settings.BEAT_SECONDS}}
    for name in settings.BEAT
}
