"""Means of the tests of Meta's API by bare HTTP: what an error says, and every status there is."""

from typing import Any

import httpx

ALL_STATUSES = '["ACTIVE","PAUSED","ARCHIVED","DELETED","CAMPAIGN_PAUSED","ADSET_PAUSED"]'


def error(answer: httpx.Response) -> dict[str, Any]:
    assert answer.status_code >= 400, answer.text
    found: dict[str, Any] = answer.json()["error"]
    return found


def code(answer: httpx.Response) -> tuple[int, int | None]:
    found = error(answer)
    return found["code"], found.get("error_subcode")
