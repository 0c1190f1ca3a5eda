"""Every fault of HubSpot: what a client sees of it, and that it strikes only where it should."""

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from hubspot_client import BY_ID, Crm, problem

from dataflow_assets.sandbox.hubspot.api import FAULTS
from dataflow_assets.sandbox.hubspot.auth import CLIENT_ID, CLIENT_SECRET, refresh_token
from dataflow_assets.sandbox.hubspot.endpoints import ENDPOINTS
from dataflow_assets.sandbox.testing import RunningSandbox

LIST = "crm/v3/objects/deals"

# Per fault: status, category, further fields of the body.
REFUSED: dict[str, tuple[int, str | None, dict[str, Any]]] = {
    "throttle_ten_seconds": (429, "RATE_LIMITS", {"policyName": "TEN_SECONDLY_ROLLING", "errorType": "RATE_LIMIT"}),
    "throttle_daily": (429, "RATE_LIMITS", {"policyName": "DAILY", "errorType": "RATE_LIMIT"}),
    "bad_token": (401, "INVALID_AUTHENTICATION", {}),
    "expired_token": (401, "EXPIRED_AUTHENTICATION", {}),
    "missing_scopes": (403, "MISSING_SCOPES", {}),
    "locked_423": (423, None, {}),
    "moving_477": (477, "MIGRATION_IN_PROGRESS", {}),
    "transient_503": (503, None, {}),
}
SHOWN_BELOW = {
    "throttle_search",
    "html_502",
    "cloudflare_530",
    "slow",
    "cut_connection",
    "malformed_page",
    "empty_page_with_next",
    "short_page_with_next",
    "duplicate_rows",
    "unknown_field",
    "bad_row",
    "type_changed",
    "text_to_object_id",
    "revoked_refresh_token",
}
SHOWN_WITH_SEARCH = {"out_of_window_rows"}


@pytest.fixture(scope="module")
def http() -> Iterator[httpx.Client]:
    with httpx.Client() as client:
        yield client


@pytest.fixture
def crm(sandbox: RunningSandbox, http: httpx.Client) -> Crm:
    return Crm(sandbox, http)


def renew(crm: Crm) -> httpx.Response:
    form = {
        "grant_type": "refresh_token",
        "client_id": CLIENT_ID,
        "client_secret": CLIENT_SECRET,
        "refresh_token": refresh_token(0),
    }
    return crm.client.post(f"{crm.url}/oauth/v1/token", data=form)


def test_no_fault_is_without_a_test() -> None:
    assert REFUSED.keys() | SHOWN_BELOW | SHOWN_WITH_SEARCH == FAULTS


@pytest.mark.parametrize("fault", REFUSED)
def test_a_refusal_has_its_status_and_body_and_strikes_as_often_as_told(crm: Crm, fault: str) -> None:
    crm.sandbox.fault(fault, account="44556677", endpoint="deals_list", times=1)
    answer = crm.get(LIST)
    status, category, fields = REFUSED[fault]
    assert problem(answer) == (status, category)
    assert answer.json().items() >= fields.items()
    assert answer.json()["status"] == "error"
    assert answer.json().keys() >= {"message", "correlationId"}
    assert crm.get(LIST).status_code == 200
    assert crm.get("crm/v3/objects/contacts").status_code == 200
    assert [rule["fired"] for rule in crm.sandbox.faults()] == [1]


def test_a_fault_of_one_account_leaves_the_others_alone(crm: Crm) -> None:
    crm.sandbox.fault("missing_scopes", account="45556710")
    assert crm.get(LIST).status_code == 200
    crm.sandbox.fault("missing_scopes", account="44556677")
    answer = crm.get(LIST)
    assert answer.json()["context"] == {"requiredGranularScopes": ["crm.objects.contacts.read"]}


@pytest.mark.parametrize("fault", ["throttle_ten_seconds", "throttle_daily", "throttle_search"])
def test_a_throttle_tells_when_to_come_back_only_when_it_has_seconds(crm: Crm, fault: str) -> None:
    crm.sandbox.fault(fault, times=1)
    crm.sandbox.fault(fault, seconds=7, after=1)

    def ask() -> httpx.Response:
        return crm.search("deals") if fault == "throttle_search" else crm.get(LIST)

    answers = [ask(), ask()]
    assert [answer.headers.get("Retry-After") for answer in answers] == [None, "7"]
    assert answers[0].json().keys() >= {"policyName", "requestId", "errorType"}
    assert crm.sandbox.requests()["throttled"] == 2


def test_throttles_strike_where_they_are_counted(crm: Crm) -> None:
    crm.sandbox.fault("throttle_ten_seconds")
    assert crm.search("deals").status_code == 200
    assert crm.post("crm/v4/associations/deals/contacts/batch/read", {"inputs": [{"id": "1"}]}).status_code == 207
    crm.sandbox.clear_faults()
    crm.sandbox.fault("throttle_search")
    assert crm.get(LIST).status_code == 200
    assert crm.search("deals").json()["policyName"] == "SECONDLY"


@pytest.mark.parametrize(("seconds", "told"), [(None, "86400"), (90, "90")])
def test_a_move_tells_how_long_it_takes(crm: Crm, seconds: float | None, told: str) -> None:
    crm.sandbox.fault("moving_477", seconds=seconds)
    assert crm.get(LIST).headers["Retry-After"] == told


@pytest.mark.parametrize("status", [500, 504, 521, 524])
def test_the_status_of_a_refusal_can_be_chosen(crm: Crm, status: int) -> None:
    crm.sandbox.fault("transient_503", status=status)
    assert crm.get(LIST).status_code == status


@pytest.mark.parametrize(("fault", "status"), [("html_502", 502), ("cloudflare_530", 530)])
def test_some_errors_are_pages_of_html(crm: Crm, fault: str, status: int) -> None:
    crm.sandbox.fault(fault, times=1)
    answer = crm.get(LIST)
    assert (answer.status_code, answer.headers["content-type"]) == (status, "text/html; charset=utf-8")
    assert "<h1>" in answer.text


def test_a_page_of_html_can_have_another_status(crm: Crm) -> None:
    crm.sandbox.fault("html_502", status=504)
    assert crm.get(LIST).status_code == 504


def test_a_slow_answer_outlasts_an_impatient_client(crm: Crm) -> None:
    crm.sandbox.fault("slow", seconds=0.4, times=1)
    with pytest.raises(httpx.ReadTimeout):
        httpx.get(f"{crm.url}/{LIST}", headers=crm.headers, timeout=0.05)
    assert crm.get(LIST).status_code == 200


def test_a_cut_connection_ends_in_the_middle_of_the_body(crm: Crm) -> None:
    crm.sandbox.fault("cut_connection", times=1)
    with pytest.raises(httpx.RemoteProtocolError, match="without sending complete message body"):
        crm.get(LIST)


def test_a_malformed_page_is_no_json(crm: Crm) -> None:
    crm.sandbox.fault("malformed_page", times=1)
    answer = crm.get(LIST)
    assert answer.status_code == 200
    with pytest.raises(json.JSONDecodeError):
        answer.json()


# Pages.


@pytest.mark.parametrize("limit", [1, 2, 7])
@pytest.mark.parametrize("fault", ["empty_page_with_next", "short_page_with_next"])
def test_pages_that_are_empty_or_short_lose_nothing(crm: Crm, fault: str, limit: int) -> None:
    whole = crm.listing("crm/v3/owners", limit=limit)
    found = crm.found("companies", limit=100, sorts=BY_ID)
    crm.sandbox.fault(fault)
    pages = crm.pages("crm/v3/owners", limit=limit)
    assert [row for page in pages for row in page] == whole
    assert ([] in pages) is (fault == "empty_page_with_next")
    assert crm.found("companies", limit=100, sorts=BY_ID) == found
    assert crm.listing(LIST, limit=100) == crm.listing(LIST, limit=13)


def test_an_empty_page_of_a_search_leads_on_and_a_short_one_too(crm: Crm) -> None:
    crm.sandbox.fault("empty_page_with_next", times=1)
    empty = crm.search("deals").json()
    assert empty["results"] == []
    assert empty["total"] > 10
    assert crm.search("deals", after=empty["paging"]["next"]["after"]).json()["results"]
    crm.sandbox.fault("short_page_with_next")
    short = crm.search("deals").json()
    assert (len(short["results"]), short["paging"]["next"]["after"]) == (5, "5")


def test_an_empty_page_of_a_search_can_be_asked_for_by_number(crm: Crm) -> None:
    crm.sandbox.fault("empty_page_with_next", times=1)
    after = crm.search("deals").json()["paging"]["next"]["after"]
    assert after != "0"
    assert int(after) == 0


@pytest.mark.parametrize("limit", [1, 3, 50])
def test_duplicate_rows_come_again_and_once_only(crm: Crm, limit: int) -> None:
    whole = [row["id"] for row in crm.listing(LIST, limit=50)]
    crm.sandbox.fault("duplicate_rows")
    for found in (
        [row["id"] for row in crm.listing(LIST, limit=limit)],
        [row["id"] for row in crm.found("deals", limit=limit, sorts=BY_ID)],
    ):
        assert list(dict.fromkeys(found)) == whole
        assert len(whole) < len(found) <= 2 * len(whole)


def test_associations_of_one_record_have_struck_pages_too(crm: Crm) -> None:
    crm.sandbox.limits("hubspot", associations_per_page=1)
    links = crm.sandbox.truth("hubspot", "contact_companies")
    origins = [row["from_id"] for row in links]
    contact = next(name for name in origins if origins.count(name) == 2)
    path = f"crm/v4/objects/contacts/{contact}/associations/companies"
    whole = crm.listing(path)
    assert len(whole) == 2
    crm.sandbox.fault("empty_page_with_next", endpoint="associations")
    assert [len(page) for page in crm.pages(path)] == [0, 1, 0, 1]


# Rows.

ROWS = {
    "deals_list": lambda crm: crm.get(LIST).json()["results"],
    "deals_search": lambda crm: crm.search("deals").json()["results"],
    "deals_batch_read": lambda crm: crm.post(
        f"{LIST}/batch/read", {"inputs": [{"id": one["id"]} for one in crm.sandbox.truth("hubspot", "deals")[20:30]]}
    ).json()["results"],
    "deals_read": lambda crm: [
        crm.get(f"{LIST}/{crm.sandbox.truth('hubspot', 'deals', deleted=False)[0]['id']}").json()
    ],
    "owners": lambda crm: crm.get("crm/v3/owners").json()["results"],
    "pipelines": lambda crm: crm.get("crm/v3/pipelines/deals").json()["results"],
    "properties": lambda crm: crm.get("crm/v3/properties/deals").json()["results"],
    "associations_batch": lambda crm: crm.post(
        "crm/v4/associations/deals/companies/batch/read",
        {"inputs": [{"id": crm.sandbox.truth("hubspot", "deal_companies")[0]["from_id"]}]},
    ).json()["results"][0]["to"],
}


@pytest.mark.parametrize("endpoint", ROWS)
def test_rows_are_spoiled_everywhere(crm: Crm, endpoint: str) -> None:
    assert endpoint in ENDPOINTS
    clean = ROWS[endpoint](crm)
    for fault in ("unknown_field", "bad_row", "type_changed"):
        crm.sandbox.fault(fault, endpoint=endpoint)
        rows = ROWS[endpoint](crm)
        crm.sandbox.clear_faults()
        assert len(rows) == len(clean)
        if fault == "unknown_field":
            assert [row.pop("fieldOfTomorrow") for row in rows] == [{"value": 1}] * len(rows)
            assert rows == clean
        elif fault == "bad_row":
            assert rows[1:] == clean[1:]
            assert '"n/a"' in json.dumps(rows[0])
        else:
            assert all(row != old for row, old in zip(rows, clean, strict=True))
            assert '{"value": ' in json.dumps(rows[0])


def test_a_spoiled_amount_is_no_number_and_a_changed_one_an_object(crm: Crm) -> None:
    crm.sandbox.fault("bad_row", times=1)
    assert crm.get(LIST).json()["results"][0]["properties"]["amount"] == "n/a"
    crm.sandbox.fault("type_changed")
    assert {type(row["properties"]["amount"]) for row in crm.get(LIST).json()["results"]} == {dict}


def test_the_other_id_of_an_association_can_be_a_text(crm: Crm) -> None:
    crm.sandbox.fault("text_to_object_id")
    (row,) = ROWS["associations_batch"](crm)
    assert row["toObjectId"] == crm.sandbox.truth("hubspot", "deal_companies")[0]["to_id"]


# Tokens.


def test_a_revoked_refresh_token_gives_nothing(crm: Crm) -> None:
    crm.sandbox.fault("revoked_refresh_token", account="44556677", endpoint="oauth_token", times=1)
    answer = renew(crm)
    assert (answer.status_code, answer.json()["status"]) == (400, "BAD_REFRESH_TOKEN")
    assert renew(crm).status_code == 200


def test_the_token_endpoint_can_be_out_of_order(crm: Crm) -> None:
    crm.sandbox.fault("transient_503", endpoint="oauth_token", times=1)
    assert [renew(crm).status_code for _ in range(2)] == [503, 200]
    crm.sandbox.fault("html_502", endpoint="oauth_token", times=1)
    assert [renew(crm).status_code for _ in range(2)] == [502, 200]


@pytest.mark.parametrize(("fault", "endpoint"), [("throttle_minute", None), ("bad_row", "tickets_list")])
def test_a_rule_that_could_never_fire_is_refused(crm: Crm, fault: str, endpoint: str | None) -> None:
    with pytest.raises(ValueError, match="There is no"):
        crm.sandbox.fault(fault, vendor="hubspot", endpoint=endpoint)
