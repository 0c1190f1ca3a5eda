"""Asynchronous steps end in order when a signal comes, and only then."""

import asyncio
import os
import signal
import threading
from concurrent.futures import ThreadPoolExecutor

import dagster as dg
import pytest

from dataflow_assets.resources.interrupts import run_interruptibly


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_cancels_the_work_which_cleans_up_before_dagster_is_told(number: signal.Signals) -> None:
    done: list[str] = []
    before = signal.getsignal(number)

    async def inner() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            await asyncio.sleep(0)  # as a rollback waits for its answer
            done.append("inner")

    async def work() -> None:
        asyncio.get_running_loop().call_soon(os.kill, os.getpid(), number)
        try:
            await asyncio.gather(inner(), inner())
        finally:
            done.append("work")

    with pytest.raises(dg.DagsterExecutionInterruptedError):
        run_interruptibly(work())
    assert done == ["inner", "inner", "work"]
    assert signal.getsignal(number) is before


def test_results_and_failures_pass_and_handlers_are_put_back() -> None:
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]

    async def seven() -> int:
        return 7

    async def fail() -> None:
        raise ValueError("no")

    async def cancel() -> None:
        raise asyncio.CancelledError

    assert run_interruptibly(seven()) == 7
    with pytest.raises(ValueError, match="no"):
        run_interruptibly(fail())
    with pytest.raises(asyncio.CancelledError):
        run_interruptibly(cancel())
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before


def test_in_another_thread_it_runs_as_well() -> None:
    async def where() -> bool:
        return threading.current_thread() is threading.main_thread()

    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(run_interruptibly, where()).result() is False
