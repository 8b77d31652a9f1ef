"""Intake: the thread that asks the broker for messages.

It asks for as many as the loop granted, puts what it gets into a queue bounded by that grant, and wakes
the loop. A broker that is away is asked again with growing pauses, for ever; nothing here ends the
process. What can never succeed (a wrong option, a file that is no database) is handed to the loop, which
ends the worker with the reason.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable

from cicely_transports.errors import ClosedError, RetryableError
from cicely_transports.spi import Delivery, Receiver

log = logging.getLogger("cicely.worker.intake")

#: Seconds that one call to the broker may wait for a message.
WAIT = 5.0
#: Pauses after failures in a row, in seconds; the last one repeats.
BACKOFF = (0.1, 0.5, 1.0, 2.0, 4.0)

NO_RETRY = (
    "Retrying to establish a connection to the message broker after a connection loss has been disabled "
    "(app.conf.{}=False). Shutting down..."
)


class RetryDisabled(Exception):
    """The broker is away and the settings say not to wait for it."""


class Intake:
    """Owns the receiver. ``connect`` makes one (declaring what must exist); ``wake`` may be called from
    any thread. ``retry``: whether to connect again after a failure; ``retry_on_startup``: also when there
    was no connection yet.
    """

    def __init__(
        self,
        connect: Callable[[], Receiver],
        wake: Callable[[], None],
        *,
        broker: str,
        retry: bool = True,
        retry_on_startup: bool = True,
        wait: float = WAIT,
    ) -> None:
        self._connect = connect
        self._wake = wake
        self._broker = broker
        self._retry = retry
        self._retry_on_startup = retry_on_startup
        self._wait = wait
        self._batches: deque[list[Delivery]] = deque()
        self._changed = threading.Condition()
        self._credit = 0
        self._suspects = 0
        self._asking_suspects: int | None = None
        self._stopping = self._over = False
        self._thread = threading.Thread(target=self._run, name="cicely-intake", daemon=True)
        self.receiver: Receiver | None = None
        #: Set once the first connection stands.
        self.connected = threading.Event()
        #: What ended the thread before its time: the loop must end the worker.
        self.failure: BaseException | None = None

    # --- called by the loop

    def start(self) -> None:
        """Begin to connect, and to receive what is granted."""
        self._thread.start()

    def grant(self, credit: int, suspects: int) -> None:
        """Want ``credit`` messages more from now on, ``suspects`` of them delivered before at most.

        Replaces the last grant; what has arrived but was not taken counts against it.
        """
        with self._changed:
            credit -= sum(map(len, self._batches))
            if credit == self._credit and suspects == self._suspects:
                return
            self._credit, self._suspects = credit, suspects
            self._changed.notify()
            stale = self._asking_suspects == 0 and suspects > 0
            receiver = self.receiver
        if stale:
            _wake(receiver)  # it waits for messages that are new; now it may also have one that is not

    def take(self) -> list[Delivery]:
        """What arrived since the last call."""
        batches = self._batches
        if not batches:
            return []
        taken: list[Delivery] = []
        while batches:
            taken += batches.popleft()
        return taken

    @property
    def alive(self) -> bool:
        """Whether more can arrive."""
        return not self._over or bool(self._batches)

    def stop(self) -> None:
        """Ask for nothing more. What arrived is still to be taken; the receiver stays usable for settling."""
        with self._changed:
            self._stopping = True
            self._credit = 0
            self._changed.notify()
            receiver = self.receiver
        _wake(receiver)

    def join(self, timeout: float) -> bool:
        """After :meth:`stop`: wait up to ``timeout`` seconds for the thread. False: it still runs."""
        if self._thread.ident is not None:
            self._thread.join(timeout)
        return not self._thread.is_alive()

    # --- the thread

    def _run(self) -> None:
        try:
            self._receive_until_stopped()
        except BaseException as error:  # noqa: BLE001 - not swallowed: the loop ends the worker with it
            self.failure = error
        self._over = True
        self._wake()

    def _receive_until_stopped(self) -> None:
        failures = fetched = 0
        while not self._stopping:
            try:
                if self.receiver is None:
                    self.receiver, fetched = self._connect(), 0
                    self.connected.set()
                    if failures:
                        log.warning("Connected to %s again", self._broker)
                    failures = 0
                    self._wake()
                got = self._receive(self.receiver)
            except RetryableError as error:
                failures += 1
                self._may_retry(error)
                self._pause(error, failures)
                if not fetched or failures > 1:
                    self._drop_receiver()
            except ClosedError:
                if not self._stopping:
                    self._drop_receiver()
            else:
                if failures:
                    log.warning("Connected to %s again", self._broker)
                failures = 0
                fetched += got

    def _receive(self, receiver: Receiver) -> int:
        with self._changed:
            self._changed.wait_for(self._may_ask, self._wait)
            credit, self._asking_suspects = self._credit, self._suspects
        if self._stopping or credit <= 0:
            return 0
        batch = receiver.receive(credit, self._wait, suspects=self._asking_suspects)
        self._asking_suspects = None
        if batch:
            with self._changed:
                self._batches.append(batch)
                self._credit -= len(batch)
            self._wake()
        return len(batch)

    def _may_ask(self) -> bool:
        return self._credit > 0 or self._stopping

    def _may_retry(self, error: RetryableError) -> None:
        started = self.connected.is_set()
        if not (self._retry if started else self._retry_on_startup):
            setting = "broker_connection_retry" if started else "broker_connection_retry_on_startup"
            log.error("Broker %s is away: %s", self._broker, error)
            raise RetryDisabled(NO_RETRY.format(setting)) from error

    def _pause(self, error: RetryableError, failures: int) -> None:
        pause = BACKOFF[min(failures, len(BACKOFF)) - 1]
        log.error("Broker %s is away (try %d, next in %.1f s): %s", self._broker, failures, pause, error)
        with self._changed:
            self._changed.wait_for(self._is_stopping, pause)

    def _is_stopping(self) -> bool:
        return self._stopping

    def _drop_receiver(self) -> None:
        receiver, self.receiver = self.receiver, None
        if receiver is not None:
            try:
                receiver.close()
            except RetryableError as error:
                log.debug("Closing the lost receiver: %s", error)


def _wake(receiver: Receiver | None) -> None:
    try:
        if receiver is not None:
            receiver.wakeup()
    except ClosedError:
        return  # it is being replaced and does not wait
