"""Verbs and facts about processes: fork, die with the parent, reap, signals of children, names."""

from __future__ import annotations

import contextlib
import ctypes
import faulthandler
import multiprocessing
import os
import resource
import signal
import sys
import traceback
from collections.abc import Callable, Iterable
from types import FrameType
from typing import NoReturn

#: Exit status of a process that an exception ended (EX_SOFTWARE of sysexits.h).
CRASHED = 70

#: Signals that reach the whole group or control group, and are the supervisor's business alone.
OUTSIDE = (signal.SIGINT, signal.SIGTERM, signal.SIGQUIT, signal.SIGHUP)

_BLOCKED = (*OUTSIDE, signal.SIGCHLD, signal.SIGUSR1)
_PR_SET_PDEATHSIG = 1  # prctl(2)
_STDERR = 2


def fork(prepare: Callable[[], None], main: Callable[[], int]) -> int:
    """Fork a child that runs ``prepare`` with signals blocked, then ``main``, and exits with its value.

    Returns the child's pid; never returns in the child, whatever happens there: an exception is printed
    and makes the exit status :data:`CRASHED`. Exit handlers of the parent do not run. Raises OSError.
    """
    _flush()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _BLOCKED)
    try:
        pid = os.fork()
        if pid == 0:
            _live(prepare, main, before)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    return pid


def _live(prepare: Callable[[], None], main: Callable[[], int], mask: Iterable[int]) -> NoReturn:
    code = CRASHED
    try:
        prepare()
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        code = main()
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else int(error.code is not None)
    except BaseException:  # noqa: BLE001 - the end of the process: printed and told by the exit status
        traceback.print_exc()
    finally:
        try:
            _flush()
        finally:
            os._exit(code & 0xFF)


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        if stream is not None and not stream.closed:
            with contextlib.suppress(OSError):  # its reader is gone, and there is nobody to say so to
                stream.flush()


def die_with(parent: int) -> None:
    """Have the kernel kill this process when its parent ends (Linux); end now if it has ended already."""
    if sys.platform == "linux":
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0) != 0:
            raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG) failed")
    if os.getppid() != parent:
        os._exit(CRASHED)


def reap() -> list[tuple[int, int]]:
    """Pids and wait statuses of all children that have ended, without waiting.

    Children of children that came to process 1 of a container are among them.
    """
    dead: list[tuple[int, int]] = []
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return dead
        if pid == 0:
            return dead
        dead.append((pid, status))


def describe(status: int) -> str:
    """A wait status in words: ``signal 9 (SIGKILL)`` or ``exit status 1``."""
    code = os.waitstatus_to_exitcode(status)
    if code >= 0:
        return f"exit status {code}"
    try:
        return f"signal {-code} ({signal.Signals(-code).name})"
    except ValueError:
        return f"signal {-code}"


def exit_code(status: int) -> int:
    """A wait status as a shell shows it: 128 plus the signal for a killed process."""
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code


def pidfd(pid: int) -> tuple[int, ...]:
    """A descriptor that means this unreaped child and never another process, where the system has them."""
    if not hasattr(os, "pidfd_open"):
        return ()
    try:
        return (os.pidfd_open(pid),)
    except OSError:
        return ()  # old kernels and some sandboxes: the pid has to do


def kill(pid: int, watch: int | None) -> None:
    """SIGKILL a process, by its pidfd if there is one. It may have ended already."""
    try:
        if watch is None:
            os.kill(pid, signal.SIGKILL)
        else:
            signal.pidfd_send_signal(watch, signal.SIGKILL)
    except ProcessLookupError:
        pass


def turn_deaf(numbers: Iterable[int], then: Callable[[], None] | None = None) -> None:
    """Let signals pass, but for calling ``then``.

    A handler and not SIG_IGN, because programs started by tasks would inherit that.
    """

    def handler(_number: int, _frame: FrameType | None) -> None:
        if then is not None:
            then()

    for number in numbers:
        signal.signal(number, handler)
        if then is None:
            signal.siginterrupt(number, False)


def let_forks_be_terminated() -> None:
    """Give SIGTERM its default back in processes that this one forks: tasks end theirs with it.

    The signal is blocked meanwhile, because Python forgets what reaches a child during its fork.
    """

    def block() -> None:
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])

    def unblock() -> None:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])

    def reset() -> None:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        unblock()

    os.register_at_fork(before=block, after_in_parent=unblock, after_in_child=reset)


def detach_stdin() -> None:
    """Read nothing from the terminal: several processes would steal from each other."""
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)


def reseed() -> None:
    """Give this child random numbers of its own (the random module does it by itself)."""
    numpy_random = sys.modules.get("numpy.random")
    if numpy_random is not None:
        numpy_random.seed()


def take_role(role: str, nodename: str) -> None:
    """Show what this process is: in log records (processName), in top and `ps -o comm` (Linux), and where
    setproctitle is installed in the whole line of ps.
    """
    multiprocessing.current_process().name = role
    if sys.platform == "linux":
        with open("/proc/self/comm", "w", encoding="ascii") as file:
            file.write(f"cicely {role}"[:15])  # the kernel keeps 15 bytes
    try:
        from setproctitle import setproctitle
    except ImportError:
        return
    setproctitle(f"cicely {role} ({nodename})")


def dump_stacks_on_usr1() -> None:
    """Let SIGUSR1 print the stack of every thread on the standard error output."""
    faulthandler.register(signal.SIGUSR1, file=_STDERR, all_threads=True, chain=False)


def resident_size() -> int:
    """Resident memory of this process in bytes; the peak of it where the system does not tell more."""
    if sys.platform == "linux":
        with open("/proc/self/statm", "rb", buffering=0) as file:
            return int(file.read().split()[1]) * resource.getpagesize()
    else:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else peak * 1024
