"""A bare client of LinkedIn's API, for the tests of the sandbox: addresses are written out as they travel."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import httpx

from dataflow_assets.sandbox.linkedin_ads.oauth import TOKEN
from dataflow_assets.sandbox.testing import RunningSandbox

VERSION = "202607"
METRICS = (
    "impressions,clicks,landingPageClicks,costInLocalCurrency,costInUsd,externalWebsiteConversions,"
    "externalWebsitePostClickConversions,externalWebsitePostViewConversions,conversionValueInLocalCurrency,oneClickLeads"
)
FIELDS = f"dateRange,pivotValues,{METRICS}"
MONEY = ("costInLocalCurrency", "costInUsd", "conversionValueInLocalCurrency")
MARCH = "dateRange=(start:(year:2026,month:3,day:1),end:(year:2026,month:3,day:31))"
MILLIONTH = Decimal("0.000001")


class Rest:
    """Calls below `/rest`, with all the headers that LinkedIn wants unless told otherwise."""

    def __init__(self, sandbox: RunningSandbox, client: httpx.Client) -> None:
        self.base = f"{sandbox.linkedin_url}/rest"
        self.client = client

    def headers(self, changes: Mapping[str, str | None]) -> dict[str, str]:
        """The usual headers after some changes; None takes one away."""
        usual = {
            "Authorization": f"Bearer {TOKEN}",
            "LinkedIn-Version": VERSION,
            "X-Restli-Protocol-Version": "2.0.0",
        }
        return {name: value for name, value in {**usual, **changes}.items() if value is not None}

    def get(self, path: str, query: str = "", headers: Mapping[str, str | None] | None = None) -> httpx.Response:
        return self.client.get(f"{self.base}/{path}{'?' if query else ''}{query}", headers=self.headers(headers or {}))

    def find(self, path: str, query: str) -> list[dict[str, Any]]:
        """All rows of all pages."""
        found: list[dict[str, Any]] = []
        token = ""
        while True:
            page = f"{query}&pageToken={token}" if token else query
            answer = self.get(path, page, {"X-RestLi-Method": "FINDER"})
            assert answer.status_code == httpx.codes.OK, answer.text
            found += answer.json()["elements"]
            token = answer.json()["metadata"].get("nextPageToken", "")
            if not token:
                return found

    def analytics(self, account: int, pivot: str = "CAMPAIGN", days: str = MARCH, fields: str = FIELDS) -> Any:
        """Daily rows of an account; the response itself when it is an error."""
        answer = self.get("adAnalytics", daily(account, pivot, days, fields))
        return answer.json()["elements"] if answer.status_code == httpx.codes.OK else answer


def daily(account: int, pivot: str = "CAMPAIGN", days: str = MARCH, fields: str = FIELDS) -> str:
    """The query of daily analytics for an account."""
    accounts = f"accounts=List(urn%3Ali%3AsponsoredAccount%3A{account})"
    return f"q=analytics&pivot={pivot}&timeGranularity=DAILY&{days}&{accounts}&fields={fields}"


def settled(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row with its money as numbers of 6 decimals: what is left when the noise is gone."""
    return {name: Decimal(value).quantize(MILLIONTH) if name in MONEY else value for name, value in row.items()}


def code(answer: httpx.Response) -> tuple[int, str | None]:
    """Status and code of an error."""
    return answer.status_code, answer.json().get("code")
