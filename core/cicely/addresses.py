"""Where broker and results of an app are, and how they are opened."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from cicely_transports.registry import open_transport, transport_class
from cicely_transports.url import mask, parse_urls

from .backends.registry import open_backend
from .embedded import embedded_url, make_room

if TYPE_CHECKING:
    from cicely_transports.connection import Connection
    from cicely_transports.spi import Transport

    from .backends.spi import ResultBackend
    from .settings.settings import Settings

Address = str | tuple[str, ...]

#: Settings that are options of the transports which have them.
_AS_OPTIONS = (
    ("publish_timeout", "broker_publish_timeout"),
    ("connect_timeout", "broker_connection_timeout"),
    ("heartbeat", "broker_heartbeat"),
    ("failover", "broker_failover_strategy"),
    ("ssl", "broker_use_ssl"),
)


class Addresses:
    """Where broker and results of an app are, by its settings and its name."""

    __slots__ = ("_conf", "_name")

    def __init__(self, conf: Settings, name: str | None) -> None:
        self._conf = conf
        self._name = name

    @property
    def broker(self) -> Address:
        """The URL to consume from; the embedded broker's when none is set."""
        return self._conf.broker_read_url or self._composed() or embedded_url(self._name)

    @property
    def broker_for_writing(self) -> Address:
        """The URL to publish to."""
        return self._conf.broker_write_url or self._composed() or embedded_url(self._name)

    @property
    def backend(self) -> str:
        """The URL of the result backend; ``disabled://`` when only a broker is set."""
        conf = self._conf
        if conf.result_backend:
            return str(conf.result_backend)
        if conf.broker_url or conf.broker_read_url or conf.broker_write_url or conf.broker_host:
            return "disabled://"
        return embedded_url(self._name)

    def open_broker(self, *, writing: bool = False) -> Transport:
        """A new transport. Raises InvalidURL, UnknownTransport, MissingDependency, ImproperlyConfigured."""
        address = self.broker_for_writing if writing else self.broker
        return open_transport(address, self._options(address))

    def connection(self, url: Address | None = None, *, writing: bool = False) -> Connection:
        """A connection for messaging without tasks, to ``url`` or to the app's broker. Raises as above."""
        from cicely_transports.connection import Connection

        address = url or (self.broker_for_writing if writing else self.broker)
        return Connection(address, transport_options=self._options(address))

    def open_backend(self) -> ResultBackend:
        """A new result backend. Raises ImproperlyConfigured."""
        address = self.backend
        self._prepare(address)
        return open_backend(address, self._conf)

    def _options(self, address: Address) -> dict[str, Any]:
        self._prepare(address)
        conf = self._conf
        known = transport_class(parse_urls(address)[0].scheme).options
        options = {option: conf[name] for option, name in _AS_OPTIONS if option in known and conf[name]}
        return {**options, **conf.broker_transport_options}

    def _prepare(self, address: Address) -> None:
        if address == embedded_url(self._name):
            make_room(self._name)

    def _composed(self) -> str | None:
        """The URL that the settings of Celery 3 describe, ``broker_host`` and its like."""
        conf = self._conf
        if not conf.broker_host:
            return None
        account = quote(conf.broker_user or "", safe="")
        if conf.broker_password:
            account += ":" + quote(conf.broker_password, safe="")
        port = f":{conf.broker_port}" if conf.broker_port else ""
        place = f"{account}@" if account else ""
        vhost = quote(conf.broker_vhost or "", safe="/")
        return f"{conf.broker_transport or 'amqp'}://{place}{conf.broker_host}{port}/{vhost}"


def safe(address: Address) -> str:
    """The URLs as text, secrets masked."""
    return mask(address) if isinstance(address, str) else ";".join(map(mask, address))
