"""Messages to a Slack incoming webhook. The address is the credential: it appears in no log and no error."""

from collections.abc import Callable

import httpx
from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_after_attempt

LONGEST_TEXT = 3_000  # of one section, by Slack's Block Kit
LONGEST_HEADER = 150
TIMEOUT_SECONDS = 10.0
TOO_MANY, SERVER_ERROR = 429, 500


class SlackUnavailable(Exception):
    """Slack did not take the message now; another try may help. `retry_after` in seconds, if it was told."""

    def __init__(self, reason: str, retry_after: float = 1.0) -> None:
        super().__init__(reason)
        self.retry_after = retry_after


class SlackRefused(Exception):
    """Slack will never take the message: wrong address, archived channel, content it does not accept."""


def escape(text: str) -> str:
    """Data as Slack text: without this a campaign named <!channel> would call everybody."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def post(
    webhook_url: str,
    title: str,
    body: str,
    *,
    sleep: Callable[[float], None],
    transport: httpx.BaseTransport | None = None,
) -> None:
    """Send one message: a title and Slack text. At most three tries, waiting as long as Slack says.

    Raises: SlackUnavailable after the last try; SlackRefused when trying again cannot help.
    """
    message = {
        "text": f"{title}\n{body}"[:LONGEST_TEXT],
        "blocks": [
            {"type": "header", "text": {"type": "plain_text", "text": _cut(title, LONGEST_HEADER)}},
            {"type": "section", "text": {"type": "mrkdwn", "text": _cut(body, LONGEST_TEXT)}},
        ],
    }

    def wait(state: RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome else None
        return error.retry_after if isinstance(error, SlackUnavailable) else 0.0

    policy = Retrying(
        retry=retry_if_exception_type(SlackUnavailable),
        wait=wait,
        stop=stop_after_attempt(3),
        sleep=sleep,
        reraise=True,
    )
    with httpx.Client(timeout=TIMEOUT_SECONDS, transport=transport) as client:
        policy(_send, client, webhook_url, message)


def _send(client: httpx.Client, webhook_url: str, message: dict[str, object]) -> None:
    try:
        answer = client.post(webhook_url, json=message)
    except httpx.TransportError as error:
        raise SlackUnavailable(f"Slack could not be reached ({type(error).__name__}).") from None
    if answer.status_code == TOO_MANY:
        raise SlackUnavailable("Slack says it is too fast.", float(answer.headers.get("retry-after", "1")))
    if answer.status_code >= SERVER_ERROR:
        raise SlackUnavailable(f"Slack answered HTTP {answer.status_code}.")
    if answer.is_error:
        raise SlackRefused(
            f"Slack answered HTTP {answer.status_code} {answer.text[:80]!r}. Check DATAFLOW_SLACK_WEBHOOK_URL."
        )


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else text[: longest - 1] + "…"
