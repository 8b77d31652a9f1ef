"""Hosting: consumer and pool in the processes and threads that they need, until the worker ends.

Pools with processes are hosted by their supervisor. The others share one process with the consumer:
its main thread takes the signals (and, for solo, runs the tasks), the consumer loop has a second thread,
so that leases are renewed while tasks run.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
from collections.abc import Callable
from types import FrameType
from typing import TYPE_CHECKING, Any

from cicely import signals
from cicely.exceptions import ImproperlyConfigured
from cicely.execution import Execution

from .consumer import Consumer
from .pools.inprocess import InProcessPool
from .pools.registry import canonical, pool_class

if TYPE_CHECKING:
    from cicely.app import Cicely
    from cicely.outcome import Outcome
    from cicely_transports.spi import Delivery

    from .options import WorkerOptions
    from .prefork.pool import PreforkPool

log = logging.getLogger("cicely.worker")

#: Seconds that threads have to end after the consumer did.
LAST_TASKS = 1.0
#: Seconds by which the supervisor outwaits the consumer's own grace.
PATIENCE = 10.0


class Worker:
    """One worker: the sender of ``worker_init`` and ``worker_shutdown``."""

    def __init__(self, app: Cicely, options: WorkerOptions) -> None:
        self.app = app
        self.options = options
        self.hostname = options.hostname

    def run(self) -> int:
        """Run in the calling process, from its main thread. Returns the exit code.

        Does not return where tasks that nobody can stop outlive the worker: then the process ends here.
        """
        kind = pool_class(self.options.pool)
        signals.worker_init.send(self)
        try:
            if issubclass(kind, InProcessPool):
                return self._run_threads(kind)
            if canonical(self.options.pool) == "prefork":
                return self._run_processes()
        finally:
            signals.worker_shutdown.send(self)
            self.app.close()
        raise ImproperlyConfigured(f"pool {self.options.pool!r} is neither prefork nor an InProcessPool")

    # --- processes

    def _run_processes(self) -> int:
        from .prefork.supervisor import Supervisor  # needs fork, which not every system has

        supervisor = Supervisor(
            self._consume,
            self._make_run,
            self.options.concurrency,
            self.app.after_fork,
            log,
            nodename=self.hostname,
            warm_limit=self.options.grace + PATIENCE,
        )
        return supervisor.run()

    def _consume(self, pool: PreforkPool) -> int:
        consumer = Consumer(self.app, pool, self.options)
        pool.on_stop = consumer.stop
        try:
            return consumer.run()
        finally:
            self.app.close()

    def _make_run(self) -> Callable[[Delivery], Outcome]:
        return Execution(self.app, hostname=self.hostname).run

    # --- threads

    def _run_threads(self, kind: type[InProcessPool]) -> int:
        signals.worker_process_init.send(self.hostname)
        pool = kind(self._make_run, self.options.concurrency)
        consumer = Consumer(self.app, pool, self.options)
        codes: list[int] = []
        thread = threading.Thread(
            target=self._consume_beside, args=(consumer, pool, codes), name="cicely-consumer"
        )
        with StopSignals(consumer):
            thread.start()
            pool.work()
            thread.join()
        code = codes[0] if codes else 1
        signals.worker_process_shutdown.send(self.hostname, pid=os.getpid(), exitcode=code)
        return code

    def _consume_beside(self, consumer: Consumer, pool: InProcessPool, codes: list[int]) -> None:
        try:
            codes.append(consumer.run())
        finally:
            pool.stop(kill=True)
            if not pool.join(LAST_TASKS):
                self._leave(codes[0] if codes else 1)

    def _leave(self, code: int) -> None:
        """End the process under tasks that run: their messages went back, they must not go on."""
        log.warning("Tasks that cannot be stopped still run: the process ends under them")
        signals.worker_shutdown.send(self)
        logging.shutdown()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


class StopSignals:
    """A context of the main thread in which signals stop a consumer: TERM and INT warm, QUIT and a second
    INT cold. What was set before comes back at the end.
    """

    def __init__(self, consumer: Consumer) -> None:
        self._consumer = consumer
        self._before: dict[signal.Signals, Any] = {}
        self._interrupted = False

    def __enter__(self) -> None:
        for name in ("SIGTERM", "SIGINT", "SIGQUIT", "SIGHUP"):
            if hasattr(signal, name):
                number = signal.Signals[name]
                self._before[number] = signal.signal(number, self._handle)

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)

    def _handle(self, number: int, _: FrameType | None) -> None:
        name = signal.Signals(number).name
        if name == "SIGHUP":
            return  # reserved, as in the supervisor: a closed terminal does not stop a worker
        cold = name == "SIGQUIT" or (name == "SIGINT" and self._interrupted)
        self._interrupted = self._interrupted or name == "SIGINT"
        self._consumer.stop("cold" if cold else "warm")
