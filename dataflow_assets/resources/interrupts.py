"""Asynchronous work inside a Dagster step that Ctrl-C, or a run terminated in the UI, ends in order."""

import asyncio
import contextlib
import signal
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

import dagster as dg

T = TypeVar("T")
SIGNALS = (signal.SIGINT, signal.SIGTERM)


def run_interruptibly(work: Coroutine[Any, Any, T]) -> T:
    """The result of `work`, which a signal cancels: transactions roll back, and connections and generators are closed.

    Dagster raises its interruption wherever the step happens to be. In the middle of an event loop that leaves tasks
    and generators half-done, and tracebacks about them before the one sentence a person should read.

    Raises: DagsterExecutionInterruptedError after a signal; what `work` raises.
    """
    if threading.current_thread() is not threading.main_thread():
        return asyncio.run(work)  # signals come to the main thread alone
    handlers = {number: signal.getsignal(number) for number in SIGNALS}
    was_interrupted = False

    async def cancellable() -> T:
        loop, task = asyncio.get_running_loop(), asyncio.current_task()

        def interrupt() -> None:
            nonlocal was_interrupted
            was_interrupted = True
            if task:
                task.cancel()

        for number in SIGNALS:
            with contextlib.suppress(NotImplementedError):  # Windows: its loops know no signals
                loop.add_signal_handler(number, interrupt)
        return await work

    try:
        return asyncio.run(cancellable())
    except asyncio.CancelledError:
        if was_interrupted:
            raise dg.DagsterExecutionInterruptedError from None
        raise
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
