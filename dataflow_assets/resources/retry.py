"""Named retry policies. Waits of seconds happen here; longer ones end the step and come back as a Dagster retry."""

from collections.abc import Callable
from random import random

from tenacity import AsyncRetrying, RetryCallState, retry_if_exception, stop_after_attempt

from dataflow_assets.resources.clock import Clock
from dataflow_assets.resources.failures import Retryable, Throttled

ATTEMPTS = 6
FIRST_WAIT_SECONDS = 1.0
LONGEST_WAIT_SECONDS = 30.0


def vendor_request(
    clock: Clock,
    *,
    patience_seconds: float,
    on_wait: Callable[[float], None],
    chance: Callable[[], float] = random,
) -> AsyncRetrying:
    """Tries a request up to six times: exponential waits with full jitter, or exactly the time the vendor told.

    A told wait beyond `patience_seconds` is not waited for: `Throttled` is raised to the caller at once.
    """

    def worth_waiting(error: BaseException) -> bool:
        if isinstance(error, Throttled):
            return error.wait_seconds <= patience_seconds
        return isinstance(error, Retryable)

    def wait(state: RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome else None
        if isinstance(error, Throttled):
            return error.wait_seconds
        ceiling: float = FIRST_WAIT_SECONDS * 2 ** (state.attempt_number - 1)
        return min(ceiling, LONGEST_WAIT_SECONDS) * (0.5 + chance() / 2)

    def note(state: RetryCallState) -> None:
        on_wait(state.next_action.sleep if state.next_action else 0.0)

    return AsyncRetrying(
        retry=retry_if_exception(worth_waiting),
        wait=wait,
        stop=stop_after_attempt(ATTEMPTS),
        sleep=clock.sleep,
        before_sleep=note,
        reraise=True,
    )
