"""All signals, with the senders and arguments of wire-compat section 12.

Every receiver also gets ``signal`` and ``sender``.
"""

from __future__ import annotations

from typing import Final

from .utils.dispatch import Signal

__all__ = [
    "Signal",
    "after_setup_logger",
    "after_setup_task_logger",
    "after_task_publish",
    "beat_embedded_init",
    "beat_init",
    "before_task_publish",
    "celeryd_after_setup",
    "celeryd_init",
    "eventlet_pool_apply",
    "eventlet_pool_postshutdown",
    "eventlet_pool_preshutdown",
    "eventlet_pool_started",
    "heartbeat_sent",
    "import_modules",
    "setup_logging",
    "task_failure",
    "task_internal_error",
    "task_postrun",
    "task_prerun",
    "task_received",
    "task_rejected",
    "task_retry",
    "task_revoked",
    "task_sent",
    "task_success",
    "task_unknown",
    "user_preload_options",
    "worker_before_create_process",
    "worker_init",
    "worker_process_init",
    "worker_process_shutdown",
    "worker_ready",
    "worker_shutdown",
    "worker_shutting_down",
]


def _signal(name: str, arguments: str = "") -> Signal:
    return Signal(arguments.split(), name=name)


# --- publishing; the sender is the task's name

before_task_publish: Final = _signal(
    "before_task_publish", "body exchange routing_key headers properties declare retry_policy"
)
after_task_publish: Final = _signal("after_task_publish", "body headers exchange routing_key")
#: Celery deprecated it in favour of after_task_publish; it is sent nevertheless.
task_sent: Final = _signal("task_sent", "task_id task args kwargs eta taskset")

# --- running a task; the sender is the task, or the consumer where there is no task yet

task_received: Final = _signal("task_received", "request")
task_prerun: Final = _signal("task_prerun", "task_id task args kwargs")
task_postrun: Final = _signal("task_postrun", "task_id task args kwargs retval state")
task_success: Final = _signal("task_success", "result runtime")
task_retry: Final = _signal("task_retry", "request reason einfo")
task_failure: Final = _signal("task_failure", "task_id exception args kwargs traceback einfo")
task_internal_error: Final = _signal(
    "task_internal_error", "task_id args kwargs request exception traceback einfo"
)
task_revoked: Final = _signal("task_revoked", "request terminated signum expired")
task_unknown: Final = _signal("task_unknown", "message exc name id")
task_rejected: Final = _signal("task_rejected", "message exc")

# --- programs

import_modules: Final = _signal("import_modules")
celeryd_init: Final = _signal("celeryd_init", "instance conf options")
celeryd_after_setup: Final = _signal("celeryd_after_setup", "instance conf")
worker_init: Final = _signal("worker_init")
worker_before_create_process: Final = _signal("worker_before_create_process")
worker_process_init: Final = _signal("worker_process_init")
worker_process_shutdown: Final = _signal("worker_process_shutdown", "pid exitcode")
worker_ready: Final = _signal("worker_ready")
worker_shutting_down: Final = _signal("worker_shutting_down", "sig how exitcode")
worker_shutdown: Final = _signal("worker_shutdown")
heartbeat_sent: Final = _signal("heartbeat_sent")
beat_init: Final = _signal("beat_init")
beat_embedded_init: Final = _signal("beat_embedded_init")
eventlet_pool_started: Final = _signal("eventlet_pool_started")
eventlet_pool_preshutdown: Final = _signal("eventlet_pool_preshutdown")
eventlet_pool_postshutdown: Final = _signal("eventlet_pool_postshutdown")
eventlet_pool_apply: Final = _signal("eventlet_pool_apply", "target args kwargs")
user_preload_options: Final = _signal("user_preload_options", "app options")

# --- logging; the sender is None

setup_logging: Final = _signal("setup_logging", "loglevel logfile format colorize")
after_setup_logger: Final = _signal("after_setup_logger", "logger loglevel logfile format colorize")
after_setup_task_logger: Final = _signal("after_setup_task_logger", "logger loglevel logfile format colorize")
