"""Why a step failed, in the words of whoever raised first: Dagster wraps every error in one of its own."""

import dagster as dg


def step_reason(event: dg.DagsterEvent) -> str:
    """The reason of a step failure event. As it was raised: redact it before a person sees it."""
    data = event.step_failure_data
    failure = data.user_failure_data
    if failure and failure.description:
        return failure.description
    error = data.error
    while error is not None and error.cause is not None:
        error = error.cause
    return error.message.strip() if error else "failed"
