"""Settings of the result backends."""

from __future__ import annotations

import math

from .kinds import ANY, BOOL, FLOAT, INT, MAPPING, SECONDS, TEXT, TLS
from .setting import Setting

SETTINGS = (
    Setting(
        "result_backend",
        TEXT | None,
        None,
        "URL of the result backend. None: no results, except that results go beside the embedded broker when "
        "no broker is set either.",
        "CELERY_RESULT_BACKEND",
        environment=("CICELY_RESULT_BACKEND", "CELERY_RESULT_BACKEND"),
    ),
    Setting(
        "result_backend_transport_options",
        MAPPING,
        {},
        "Options of the backend, as in the query of its URL.",
        "CELERY_RESULT_BACKEND_TRANSPORT_OPTIONS",
    ),
    Setting(
        "result_expires",
        SECONDS | None,
        86400,
        "Seconds that a result is kept; None or 0 is for ever.",
        "CELERY_TASK_RESULT_EXPIRES",
    ),
    Setting(
        "result_failure_expires",
        SECONDS | None,
        None,
        "The same for failures; None is what `result_expires` says.",
        "CELERY_RESULT_FAILURE_EXPIRES",
    ),
    Setting(
        "result_chord_expires",
        SECONDS | None,
        None,
        "Seconds that the bookkeeping of a chord is kept; None is what `result_expires` says.",
        "CELERY_RESULT_CHORD_EXPIRES",
    ),
    Setting(
        "result_extended",
        BOOL,
        False,
        "Results also carry the name, arguments, worker, queue and retries of their task.",
        "CELERY_RESULT_EXTENDED",
    ),
    Setting("result_serializer", TEXT, "json", "The serializer of results.", "CELERY_RESULT_SERIALIZER"),
    Setting(
        "result_compression", TEXT | None, None, "The compression of results.", "CELERY_RESULT_COMPRESSION"
    ),
    Setting(
        "result_cache_max",
        INT,
        -1,
        "No effect: a client keeps no cache of results.",
        "CELERY_MAX_CACHED_RESULTS",
    ),
    Setting(
        "result_persistent",
        BOOL | None,
        None,
        "Results sent as messages survive a restart of the broker (rpc).",
        "CELERY_RESULT_PERSISTENT",
    ),
    Setting(
        "result_exchange", TEXT, "celeryresults", "The exchange of results (rpc).", "CELERY_RESULT_EXCHANGE"
    ),
    Setting(
        "result_exchange_type", TEXT, "direct", "The type of that exchange.", "CELERY_RESULT_EXCHANGE_TYPE"
    ),
    Setting(
        "result_chord_retry_interval",
        SECONDS,
        1.0,
        "Seconds between two looks at a chord, where the backend cannot count.",
        "CELERY_RESULT_CHORD_RETRY_INTERVAL",
    ),
    Setting(
        "result_chord_join_timeout",
        SECONDS,
        3.0,
        "Seconds in which the results of a chord must be readable once all are there.",
        "CELERY_RESULT_CHORD_JOIN_TIMEOUT",
    ),
    Setting(
        "result_backend_always_retry",
        BOOL,
        False,
        "Errors of the backend that may pass are retried.",
        "CELERY_RESULT_BACKEND_ALWAYS_RETRY",
    ),
    Setting(
        "result_backend_max_retries",
        FLOAT,
        math.inf,
        "How often, at most.",
        "CELERY_RESULT_BACKEND_MAX_RETRIES",
    ),
    Setting(
        "result_backend_base_sleep_between_retries_ms",
        INT,
        10,
        "Milliseconds before the first of these retries; doubled each time.",
        "CELERY_RESULT_BACKEND_BASE_SLEEP_BETWEEN_RETRIES_MS",
    ),
    Setting(
        "result_backend_max_sleep_between_retries_ms",
        INT,
        10000,
        "Milliseconds between two of them, at most.",
        "CELERY_RESULT_BACKEND_MAX_SLEEP_BETWEEN_RETRIES_MS",
    ),
    Setting(
        "cache_backend",
        TEXT | None,
        None,
        "The cache behind the `cache+` result backends.",
        "CELERY_CACHE_BACKEND",
    ),
    Setting("cache_backend_options", MAPPING, {}, "Options of its client.", "CELERY_CACHE_BACKEND_OPTIONS"),
    Setting(
        "mongodb_backend_settings",
        MAPPING | None,
        None,
        "Options of the MongoDB result backend: database, collections, client options.",
        "CELERY_MONGODB_BACKEND_SETTINGS",
    ),
    Setting("redis_host", TEXT | None, None, "Host of the Redis result backend.", "CELERY_REDIS_HOST"),
    Setting("redis_port", INT | None, None, "Its port.", "CELERY_REDIS_PORT"),
    Setting("redis_db", INT | None, None, "Its database number.", "CELERY_REDIS_DB"),
    Setting("redis_username", TEXT | None, None, "Its ACL user.", "CELERY_REDIS_USERNAME"),
    Setting("redis_password", TEXT | None, None, "Its password.", "CELERY_REDIS_PASSWORD"),
    Setting(
        "redis_backend_use_ssl",
        TLS | None,
        None,
        "TLS options of its connection.",
        "CELERY_REDIS_BACKEND_USE_SSL",
    ),
    Setting("redis_max_connections", INT | None, None, "Size of its pool.", "CELERY_REDIS_MAX_CONNECTIONS"),
    Setting(
        "redis_socket_timeout",
        SECONDS | None,
        120.0,
        "Seconds that one answer may take.",
        "CELERY_REDIS_SOCKET_TIMEOUT",
    ),
    Setting(
        "redis_socket_connect_timeout",
        SECONDS | None,
        None,
        "Seconds that connecting may take.",
        "CELERY_REDIS_SOCKET_CONNECT_TIMEOUT",
    ),
    Setting("redis_socket_keepalive", BOOL, False, "TCP keep-alive.", "CELERY_REDIS_SOCKET_KEEPALIVE"),
    Setting(
        "redis_retry_on_timeout",
        BOOL,
        False,
        "Repeat a read that timed out.",
        "CELERY_REDIS_RETRY_ON_TIMEOUT",
    ),
    Setting(
        "redis_backend_health_check_interval",
        SECONDS | None,
        None,
        "Seconds of silence after which a connection is checked before use.",
    ),
    Setting("database_url", TEXT | None, None, "URL of the SQL result backend.", "CELERY_RESULT_DBURI"),
    Setting(
        "database_engine_options",
        MAPPING,
        {"pool_pre_ping": True, "pool_recycle": 3600},
        "Options of its engine.",
        "CELERY_RESULT_ENGINE_OPTIONS",
    ),
    Setting("database_engine_callback", ANY, None, "Called with the engine when it was made."),
    Setting(
        "database_short_lived_sessions",
        BOOL,
        False,
        "A connection is closed after each use.",
        "CELERY_RESULT_DB_SHORT_LIVED_SESSIONS",
    ),
    Setting("database_table_schemas", MAPPING | None, None, "SQL schemas of its tables."),
    Setting(
        "database_table_names", MAPPING | None, None, "Names of its tables.", "CELERY_RESULT_DB_TABLENAMES"
    ),
    Setting("database_create_tables_at_setup", BOOL, True, "Tables are made when the backend is first used."),
    Setting("override_backends", MAPPING, {}, "Result backends by URL scheme, before the installed ones."),
)
