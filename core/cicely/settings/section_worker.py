"""Settings of the worker and of beat."""

from __future__ import annotations

from .kinds import BOOL, COUNT, FLOAT, IMPORTABLE, INT, MAPPING, SECONDS, TEXT, one_of
from .setting import Setting

_LOG_HEAD = "[%(asctime)s: %(levelname)s/%(processName)s] "

WORKER = (
    Setting("worker_pool", IMPORTABLE, "prefork", "The pool in which tasks run.", "CELERYD_POOL"),
    Setting(
        "worker_concurrency",
        COUNT | None,
        None,
        "How many tasks run at once; None or `auto` is the number of usable CPUs.",
        "CELERYD_CONCURRENCY",
    ),
    Setting(
        "worker_prefetch_multiplier",
        INT,
        4,
        "No effect: a worker sizes its batches by the run times that it measures (worker_disable_prefetch "
        "turns batches off). Accepted as Celery's.",
        "CELERYD_PREFETCH_MULTIPLIER",
    ),
    Setting(
        "worker_disable_prefetch",
        BOOL,
        False,
        "A worker only fetches what it can start at once.",
        "CELERYD_DISABLE_PREFETCH",
    ),
    Setting(
        "worker_lease",
        SECONDS,
        30.0,
        "Seconds that a claim on a message lasts unless the worker renews it, which it does. New in cicely.",
    ),
    Setting(
        "worker_shutdown_grace",
        SECONDS,
        25.0,
        "Seconds that running tasks may take to end after a warm shutdown began; then they are given back. "
        "New in cicely.",
    ),
    Setting(
        "worker_soft_shutdown_timeout",
        SECONDS,
        0.0,
        "Seconds that running tasks may take to end after a cold shutdown began.",
        "CELERYD_SOFT_SHUTDOWN_TIMEOUT",
    ),
    Setting(
        "worker_enable_soft_shutdown_on_idle",
        BOOL,
        False,
        "No effect: an idle worker holds nothing that a soft shutdown could save.",
        "CELERYD_ENABLE_SOFT_SHUTDOWN_ON_IDLE",
    ),
    Setting(
        "worker_max_tasks_per_child",
        INT | None,
        None,
        "Tasks after which an executor is replaced.",
        "CELERYD_MAX_TASKS_PER_CHILD",
    ),
    Setting(
        "worker_max_memory_per_child",
        INT | None,
        None,
        "KiB of resident memory after which an executor is replaced when its task has ended.",
        "CELERYD_MAX_MEMORY_PER_CHILD",
    ),
    Setting(
        "worker_pool_restarts",
        BOOL,
        False,
        "The remote command `pool_restart` is obeyed.",
        "CELERYD_POOL_RESTARTS",
    ),
    Setting(
        "worker_pool_start_method",
        one_of("fork", "spawn"),
        "fork",
        "How executors are made.",
        "CELERYD_POOL_START_METHOD",
    ),
    Setting(
        "worker_proc_alive_timeout",
        SECONDS,
        4.0,
        "Seconds in which a new executor must be ready.",
        "CELERYD_PROC_ALIVE_TIMEOUT",
    ),
    Setting(
        "worker_pool_putlocks",
        BOOL,
        True,
        "No effect: an executor is never given more than it can take.",
        "CELERYD_POOL_PUTLOCKS",
    ),
    Setting(
        "worker_lost_wait",
        SECONDS,
        10.0,
        "No effect: the death of an executor is known at once.",
        "CELERYD_WORKER_LOST_WAIT",
    ),
    Setting(
        "worker_cancel_long_running_tasks_on_connection_loss",
        BOOL,
        False,
        "Running tasks are cancelled when the broker connection is lost.",
        "CELERYD_CANCEL_LONG_RUNNING_TASKS_ON_CONNECTION_LOSS",
    ),
    Setting(
        "worker_deduplicate_successful_tasks",
        BOOL,
        False,
        "A message delivered again is acknowledged if its result says SUCCESS already.",
        "CELERYD_DEDUPLICATE_SUCCESSFUL_TASKS",
    ),
    Setting(
        "worker_disable_rate_limits",
        BOOL,
        False,
        "Rate limits are not applied.",
        "CELERY_DISABLE_RATE_LIMITS",
    ),
    Setting(
        "worker_eta_task_limit",
        INT | None,
        None,
        "No effect: tasks with an ETA wait in the broker.",
        "CELERYD_ETA_TASK_LIMIT",
    ),
    Setting(
        "worker_enable_prefetch_count_reduction",
        BOOL,
        True,
        "No effect: a worker asks for what it can take, after a reconnect as before.",
        "CELERYD_ENABLE_PREFETCH_COUNT_REDUCTION",
    ),
    Setting(
        "worker_detect_quorum_queues",
        BOOL,
        True,
        "No effect: only the prefetch that quorum queues allow is used.",
        "CELERYD_DETECT_QUORUM_QUEUES",
    ),
    Setting(
        "worker_timer_precision",
        FLOAT,
        1.0,
        "No effect: timers wait as long as is left.",
        "CELERYD_TIMER_PRECISION",
    ),
    Setting(
        "worker_direct",
        BOOL,
        False,
        "Every worker also consumes from a queue of its own name (exchange `C.dq2`).",
        "CELERY_WORKER_DIRECT",
    ),
    Setting(
        "worker_enable_remote_control",
        BOOL,
        True,
        "Remote control is answered.",
        "CELERY_ENABLE_REMOTE_CONTROL",
    ),
    Setting("worker_send_task_events", BOOL, False, "Task events are sent (`-E`).", "CELERY_SEND_EVENTS"),
    Setting(
        "worker_state_db", TEXT | None, None, "File in which revoked tasks are kept.", "CELERYD_STATE_DB"
    ),
    Setting(
        "worker_hijack_root_logger",
        BOOL,
        True,
        "The worker replaces the handlers of the root logger.",
        "CELERYD_HIJACK_ROOT_LOGGER",
    ),
    Setting(
        "worker_log_color",
        BOOL | None,
        None,
        "Colours in the log; None: when it goes to a terminal.",
        "CELERYD_LOG_COLOR",
    ),
    Setting("worker_log_format", TEXT, _LOG_HEAD + "%(message)s", "Format of the log.", "CELERYD_LOG_FORMAT"),
    Setting("worker_log_datefmt", TEXT | None, None, "Format of its times.", "CELERYD_LOG_DATEFMT"),
    Setting(
        "worker_task_log_format",
        TEXT,
        _LOG_HEAD + "%(task_name)s[%(task_id)s]: %(message)s",
        "Format of what tasks log.",
        "CELERYD_TASK_LOG_FORMAT",
    ),
    Setting("worker_task_log_datefmt", TEXT | None, None, "Format of its times.", "CELERYD_TASK_LOG_DATEFMT"),
    Setting(
        "worker_redirect_stdouts",
        BOOL,
        True,
        "What tasks print goes to the log.",
        "CELERY_REDIRECT_STDOUTS",
    ),
    Setting(
        "worker_redirect_stdouts_level",
        TEXT,
        "WARNING",
        "Level at which it is logged.",
        "CELERY_REDIRECT_STDOUTS_LEVEL",
    ),
)

BEAT = (
    Setting("beat_schedule", MAPPING, {}, "Periodic tasks by entry name.", "CELERYBEAT_SCHEDULE"),
    Setting(
        "beat_scheduler",
        IMPORTABLE | None,
        None,
        "Class of the scheduler; None is the one that keeps its state in a file.",
        "CELERYBEAT_SCHEDULER",
    ),
    Setting(
        "beat_schedule_filename",
        TEXT,
        "cicelybeat-schedule",
        "That file. Celery's default is `celerybeat-schedule`, in another format.",
        "CELERYBEAT_SCHEDULE_FILENAME",
    ),
    Setting(
        "beat_max_loop_interval",
        SECONDS,
        0,
        "Seconds between two looks at the schedule, at most; 0 is the scheduler's own.",
        "CELERYBEAT_MAX_LOOP_INTERVAL",
    ),
    Setting(
        "beat_sync_every",
        INT,
        0,
        "No effect: the state is stored with every tick.",
        "CELERYBEAT_SYNC_EVERY",
    ),
    Setting(
        "beat_cron_starting_deadline",
        SECONDS | None,
        None,
        "Seconds by which a missed cron run may be late and still is sent; None is any time.",
        "CELERYBEAT_CRON_STARTING_DEADLINE",
    ),
)
