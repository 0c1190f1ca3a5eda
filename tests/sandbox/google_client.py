"""A bare client of the sandbox's Google Ads API. Whatever it reads is judged by Google's own message types."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
from google.ads.googleads.v26.errors.types.errors import GoogleAdsFailure
from google.ads.googleads.v26.services.types.customer_service import ListAccessibleCustomersResponse
from google.ads.googleads.v26.services.types.google_ads_service import (
    SearchGoogleAdsResponse,
    SearchGoogleAdsStreamResponse,
)
from google.protobuf import json_format

from dataflow_assets.sandbox.google_ads.auth import CLIENT_ID, CLIENT_SECRET, REFRESH_TOKEN
from dataflow_assets.sandbox.google_ads.ids import MANAGER_ID
from dataflow_assets.sandbox.google_ads.selects import RESOURCE, SELECT
from dataflow_assets.sandbox.testing import RunningSandbox

CREDENTIALS = {
    "grant_type": "refresh_token",
    "client_id": CLIENT_ID,
    "client_secret": CLIENT_SECRET,
    "refresh_token": REFRESH_TOKEN,
}
TYPED_FAILURE = "type.googleapis.com/google.ads.googleads.v26.errors.GoogleAdsFailure"
BERLIN, LOS_ANGELES, TOKYO = "3100000013", "3100600024", "3101200035"


def judged(kind: Any, body: Any) -> Any:
    """The body, after Google's type has taken it field by field and given it back unchanged."""
    message = json_format.ParseDict(body, kind.pb()(), ignore_unknown_fields=False)
    assert json_format.MessageToDict(message) == body
    return body


def select(stream: str, where: str = "", parameters: bool = True) -> str:
    """The query whose answer is the truth of a stream."""
    omitted = " PARAMETERS omit_unselected_resource_names = true" if parameters else ""
    return f"SELECT {', '.join(SELECT[stream])} FROM {RESOURCE[stream]}{where}{omitted}"


def between(first: object, last: object) -> str:
    return f" WHERE segments.date BETWEEN '{first}' AND '{last}'"


class Ads:
    """Speaks for the manager, unless told otherwise."""

    def __init__(self, sandbox: RunningSandbox, http: httpx.Client) -> None:
        self.base = sandbox.google_url
        self.http = http
        self.headers = {"login-customer-id": MANAGER_ID}
        self.sign_in()

    def sign_in(self) -> None:
        """Take a new access token, as is due when time has passed."""
        token = self.http.post(f"{self.base}/token", data=CREDENTIALS).json()["access_token"]
        self.headers["authorization"] = f"Bearer {token}"

    def post(
        self, query: str, customer: str = BERLIN, method: str = "search", version: str = "v26", **body: Any
    ) -> httpx.Response:
        """A search as it is answered."""
        url = f"{self.base}/{version}/customers/{customer}/googleAds:{method}"
        return self.http.post(url, headers=self.headers, json={"query": query, **body})

    def search(self, query: str, customer: str = BERLIN, **body: Any) -> dict[str, Any]:
        """One page."""
        answer = self.post(query, customer, **body)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = judged(SearchGoogleAdsResponse, answer.json())
        return found

    def pages(self, query: str, customer: str = BERLIN) -> Iterator[list[dict[str, Any]]]:
        """The rows of each page, to the last."""
        body: dict[str, Any] = {}
        while True:
            page = self.search(query, customer, **body)
            yield page.get("results", [])
            if "nextPageToken" not in page:
                return
            body = {"pageToken": page["nextPageToken"]}

    def rows(self, query: str, customer: str = BERLIN) -> list[dict[str, Any]]:
        """All rows of all pages."""
        return [row for page in self.pages(query, customer) for row in page]

    def pieces(self, query: str, customer: str = BERLIN) -> list[dict[str, Any]]:
        """The pieces of a stream."""
        answer = self.post(query, customer, "searchStream")
        assert answer.status_code == 200, answer.text
        return [judged(SearchGoogleAdsStreamResponse, piece) for piece in answer.json()]

    def get(self, path: str) -> httpx.Response:
        return self.http.get(f"{self.base}/{path}", headers=self.headers)

    def accessible(self) -> list[str]:
        """Resource names of the customers the user reaches directly."""
        answer = self.get("v26/customers:listAccessibleCustomers")
        found: list[str] = judged(ListAccessibleCustomersResponse, answer.json())["resourceNames"]
        return found


@contextmanager
def signed_in(sandbox: RunningSandbox) -> Iterator[Ads]:
    """A client with a fresh access token."""
    with httpx.Client() as http:
        yield Ads(sandbox, http)


def failure(answer: httpx.Response) -> list[dict[str, Any]]:
    """The errors of a GoogleAdsFailure, and what holds them together."""
    body = answer.json()
    error = body[0]["error"] if isinstance(body, list) else body["error"]
    assert error["code"] == answer.status_code, answer.text
    (details,) = error["details"]
    assert details["@type"] == TYPED_FAILURE
    found: list[dict[str, Any]] = judged(GoogleAdsFailure, {k: v for k, v in details.items() if k != "@type"})["errors"]
    assert details["requestId"] == answer.headers["request-id"]
    return found


def code(answer: httpx.Response) -> tuple[int, str, str]:
    """Status, family and code of an answer with one error."""
    (error,) = failure(answer)
    ((family, name),) = error["errorCode"].items()
    return answer.status_code, family, name


def plain(rows: list[dict[str, Any]]) -> Any:
    """Rows without the resource names that come unasked."""
    return json.loads(
        json.dumps(rows), object_hook=lambda found: {k: v for k, v in found.items() if k != "resourceName"}
    )
