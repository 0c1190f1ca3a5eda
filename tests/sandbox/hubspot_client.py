"""A bare client of HubSpot's API, for the tests of the sandbox."""

from collections.abc import Iterable, Mapping
from typing import Any

import httpx

from dataflow_assets.sandbox.hubspot.auth import private_token
from dataflow_assets.sandbox.hubspot.properties import MODIFIED, TOLD
from dataflow_assets.sandbox.testing import RunningSandbox
from dataflow_assets.sandbox.world.crm import Kind

Json = dict[str, Any]

KINDS = {"contacts": Kind.CONTACT, "companies": Kind.COMPANY, "deals": Kind.DEAL}
LINKS = {
    "deal_contacts": ("deals", "contacts"),
    "deal_companies": ("deals", "companies"),
    "contact_companies": ("contacts", "companies"),
}
BY_ID = [{"propertyName": "hs_object_id", "direction": "ASCENDING"}]


class Crm:
    """Calls of one portal, by the token of its private app unless another is given."""

    def __init__(self, sandbox: RunningSandbox, client: httpx.Client, portal: int = 0) -> None:
        self.sandbox = sandbox
        self.url = sandbox.hubspot_url
        self.client = client
        self.token = private_token(portal)

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}

    def get(self, path: str, params: Mapping[str, Any] | None = None) -> httpx.Response:
        url = path if path.startswith("http") else f"{self.url}/{path}"
        return self.client.get(url, params=params, headers=self.headers)

    def post(self, path: str, body: Any) -> httpx.Response:
        return self.client.post(f"{self.url}/{path}", json=body, headers=self.headers)

    def pages(self, path: str, **params: Any) -> list[list[Json]]:
        """The rows of all pages, going by the links."""
        answer = self.get(path, params)
        found: list[list[Json]] = []
        while True:
            assert answer.status_code == httpx.codes.OK, answer.text
            body = answer.json()
            found.append(body["results"])
            if "paging" not in body:
                return found
            answer = self.get(body["paging"]["next"]["link"])

    def listing(self, path: str, **params: Any) -> list[Json]:
        """All rows of all pages."""
        return [row for page in self.pages(path, **params) for row in page]

    def records(self, kind: str, **params: Any) -> list[Json]:
        """Everything of a kind with the properties that truth tells, as truth tells them."""
        asked = {"limit": 100, "properties": ",".join(TOLD[KINDS[kind]]), **params}
        return [bare(row) for row in self.listing(f"crm/v3/objects/{kind}", **asked)]

    def search(self, kind: str, **body: Any) -> httpx.Response:
        return self.post(f"crm/v3/objects/{kind}/search", body)

    def found(self, kind: str, **body: Any) -> list[Json]:
        """All rows of all pages of a search."""
        rows: list[Json] = []
        after = "0"
        while after:
            answer = self.search(kind, **{"limit": 200, **body, "after": after})
            assert answer.status_code == httpx.codes.OK, answer.text
            rows += answer.json()["results"]
            after = answer.json().get("paging", {}).get("next", {}).get("after", "")
        return rows

    def changed(self, kind: str, low: int, high: int, **body: Any) -> list[Json]:
        """What was changed in a window of unix milliseconds, both ends included, by id."""
        asked = {"sorts": BY_ID, "properties": list(TOLD[KINDS[kind]]), **body}
        return [bare(row) for row in self.found(kind, filters=window(kind, low, high), **asked)]

    def links(self, kind: str, to: str, record_ids: Iterable[str]) -> list[Json]:
        """All associations of records, as truth tells them, by batches with pages inside."""
        rows: list[Json] = []
        inputs: list[Json] = [{"id": one} for one in record_ids]
        while inputs:
            answer = self.post(f"crm/v4/associations/{kind}/{to}/batch/read", {"inputs": inputs[:1000]})
            assert answer.status_code in {200, 207}, answer.text
            inputs = inputs[1000:]
            for row in answer.json()["results"]:
                origin = row["from"]["id"]
                rows += [
                    {"from_id": origin, "to_id": str(one["toObjectId"]), "types": one["associationTypes"]}
                    for one in row["to"]
                ]
                if "paging" in row:
                    inputs.append({"id": origin, "after": row["paging"]["next"]["after"]})
        return rows


def bare(row: Json) -> Json:
    """A row without the property that answers always have and truth never."""
    properties = {name: value for name, value in row["properties"].items() if name != "hs_object_id"}
    return {**row, "properties": properties}


def window(kind: str, low: int, high: int) -> list[Json]:
    """The filters for what was changed in a window."""
    name = MODIFIED[KINDS[kind]]
    return [
        {"propertyName": name, "operator": "GTE", "value": str(low)},
        {"propertyName": name, "operator": "LTE", "value": str(high)},
    ]


def by_id(rows: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Rows in the order of lists: by the number that their id is."""
    return sorted(rows, key=lambda row: int(row["id"]))


def problem(answer: httpx.Response) -> tuple[int, str | None]:
    """Status and category of an error."""
    return answer.status_code, answer.json().get("category")
