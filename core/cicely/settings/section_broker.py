"""Settings of the broker connection, of remote control and of events."""

from __future__ import annotations

from .kinds import ANY, BOOL, FLOAT, INT, MAPPING, SECONDS, TEXT, TLS, URL, one_of
from .setting import Setting

_NO_CHANNELS = "No effect: an error of a channel is always answered by opening a new one."

SETTINGS = (
    Setting(
        "broker_url",
        URL | None,
        None,
        "The broker. A list, or several joined by `;`, is tried in turn. None: an SQLite file in the state "
        "directory of the user (`$XDG_STATE_HOME`).",
        "BROKER_URL",
        environment=("CICELY_BROKER_URL", "CELERY_BROKER_URL"),
    ),
    Setting(
        "broker_read_url",
        URL | None,
        None,
        "The broker from which workers consume.",
        "BROKER_READ_URL",
        fallback="broker_url",
        environment=("CICELY_BROKER_READ_URL", "CELERY_BROKER_READ_URL"),
    ),
    Setting(
        "broker_write_url",
        URL | None,
        None,
        "The broker to which messages are published.",
        "BROKER_WRITE_URL",
        fallback="broker_url",
        environment=("CICELY_BROKER_WRITE_URL", "CELERY_BROKER_WRITE_URL"),
    ),
    Setting(
        "broker_transport", TEXT | None, None, "Scheme of the URL that is put together from `broker_host`."
    ),
    Setting("broker_host", TEXT | None, None, "Host of the broker, if no `broker_url` is given."),
    Setting("broker_port", INT | None, None, "Port that goes with `broker_host`."),
    Setting("broker_user", TEXT | None, None, "User that goes with `broker_host`."),
    Setting("broker_password", TEXT | None, None, "Password that goes with `broker_host`."),
    Setting("broker_vhost", TEXT | None, None, "Virtual host or database that goes with `broker_host`."),
    Setting(
        "broker_transport_options",
        MAPPING,
        {},
        "Options of the transport, as in the query of the URL; an unknown one is an error.",
    ),
    Setting("broker_use_ssl", TLS | None, False, "TLS for the connection: True, or a dict of its options."),
    Setting("broker_connection_timeout", SECONDS, 4, "Seconds that one attempt to connect may take."),
    Setting(
        "broker_publish_timeout",
        SECONDS,
        5.0,
        "Seconds for connecting, writing and confirming a publish, together. New in cicely.",
    ),
    Setting("broker_connection_retry", BOOL, True, "A worker that loses the broker connects again."),
    Setting(
        "broker_connection_retry_on_startup",
        BOOL | None,
        None,
        "The same when the worker starts; None is what `broker_connection_retry` says.",
        fallback="broker_connection_retry",
    ),
    Setting(
        "broker_connection_max_retries",
        INT | None,
        100,
        "No effect: a worker tries for ever, with pauses, and says so in its log. Accepted as Celery's.",
    ),
    Setting("broker_channel_error_retry", BOOL, False, _NO_CHANNELS),
    Setting(
        "broker_failover_strategy",
        ANY,
        None,
        "Order in which several URLs are tried: `round-robin` (the default), `shuffle`, or a function from a "
        "list to an iterator.",
    ),
    Setting(
        "broker_heartbeat", SECONDS | None, 120, "Seconds between heartbeats, where the protocol has them."
    ),
    Setting(
        "broker_heartbeat_checkrate",
        FLOAT,
        3.0,
        "How many times per `broker_heartbeat` its peer's are checked.",
    ),
    Setting("broker_login_method", TEXT | None, None, "Login method of AMQP."),
    Setting(
        "broker_native_delayed_delivery_queue_type",
        one_of("quorum", "classic"),
        "quorum",
        "Type of the queues in which RabbitMQ keeps delayed messages.",
    ),
    Setting("broker_pool_limit", INT | None, 10, "Connections that one process keeps for publishing."),
    Setting(
        "broker_pool_acquire_timeout",
        SECONDS | None,
        None,
        "Seconds to wait for a connection of that pool; None is `broker_publish_timeout`.",
    ),
    Setting("control_exchange", TEXT, "celery", "Base name of the exchanges of remote control."),
    Setting("control_queue_ttl", SECONDS | None, 300.0, "Seconds that a command waits for a worker."),
    Setting("control_queue_expires", SECONDS | None, 10.0, "Seconds that an unused control queue stays."),
    Setting("control_queue_exclusive", BOOL, True, "Control queues belong to one connection (AMQP)."),
    Setting("control_queue_durable", BOOL, False, "Control queues survive a restart of the broker (AMQP)."),
    Setting("event_exchange", TEXT, "celeryev", "The exchange of events.", "CELERY_EVENT_EXCHANGE"),
    Setting(
        "event_queue_expires",
        SECONDS | None,
        60.0,
        "Seconds that the queue of a monitor stays when it left.",
        "CELERY_EVENT_QUEUE_EXPIRES",
    ),
    Setting(
        "event_queue_ttl",
        SECONDS | None,
        5.0,
        "Seconds that an event waits for a monitor.",
        "CELERY_EVENT_QUEUE_TTL",
    ),
    Setting(
        "event_queue_prefix",
        TEXT,
        "celeryev",
        "Start of the names of event queues.",
        "CELERY_EVENT_QUEUE_PREFIX",
    ),
    Setting(
        "event_queue_exclusive",
        BOOL,
        True,
        "Event queues belong to one connection (AMQP).",
        "CELERY_EVENT_QUEUE_EXCLUSIVE",
    ),
    Setting(
        "event_queue_durable",
        BOOL,
        False,
        "Event queues survive a restart of the broker (AMQP).",
        "CELERY_EVENT_QUEUE_DURABLE",
    ),
    Setting("event_serializer", TEXT, "json", "The serializer of events.", "CELERY_EVENT_SERIALIZER"),
)
