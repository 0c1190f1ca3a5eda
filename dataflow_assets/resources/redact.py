"""Takes secrets out of texts that others wrote, before they reach a log, an event or a person."""

import re
from collections.abc import Iterable

MASK = "***"
# Tokens and proofs as they stand in URLs and forms, whoever they belong to.
_PARAMETERS = re.compile(
    r"(?i)\b(access_token|appsecret_proof|client_secret|fb_exchange_token|refresh_token|password|token)=[^&\s\"']+"
)
_URL_PASSWORDS = re.compile(r"(?i)\b([a-z][a-z0-9+.-]*://[^:/@\s]*):[^@/\s]+@")


def redact(text: str, secrets: Iterable[str] = ()) -> str:
    """The text with the given secrets, secret-looking parameters and passwords in URLs masked."""
    for secret in secrets:
        if secret:
            text = text.replace(secret, MASK)
    text = _PARAMETERS.sub(rf"\1={MASK}", text)
    return _URL_PASSWORDS.sub(rf"\1:{MASK}@", text)
