"""Meta's accounts, campaigns, ad sets, ads and creatives by bare HTTP: nodes, fields, pages, and what is listed."""

import hashlib
import hmac
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from meta_client import ALL_STATUSES, code, error

from dataflow_assets.sandbox.testing import APP_SECRET, TOKEN, RunningSandbox

# Nodes, fields, pages.


def test_an_object_that_does_not_exist_is_100_33(graph: Any) -> None:
    assert code(graph.get("act_404")) == (100, 33)
    assert code(graph.get("120210000000990000")) == (100, 33)


def test_an_object_is_not_there_before_it_is_created(sandbox: RunningSandbox, graph: Any, account: str) -> None:
    newest = max(sandbox.truth("meta_ads", "campaigns", account=account), key=lambda row: row["created_time"])
    created = datetime.strptime(newest["created_time"], "%Y-%m-%dT%H:%M:%S%z")
    sandbox.clock.set(created - timedelta(seconds=1))
    assert code(graph.get(newest["id"])) == (100, 33)
    sandbox.clock.set(created)
    assert graph.get(newest["id"], fields="created_time").json()["created_time"] == newest["created_time"]


def test_only_the_fields_asked_for_and_the_id_come_back_and_empty_ones_are_left_out(graph: Any, account: str) -> None:
    rows = graph.rows(f"{account}/campaigns", fields="name,daily_budget,issues_info")
    assert {frozenset(row) for row in rows} == {
        frozenset({"id", "name", "daily_budget"}),
        frozenset({"id", "name"}),
    }
    assert all(isinstance(row["id"], str) for row in rows)


def test_references_expand_into_the_fields_asked_for(sandbox: RunningSandbox, graph: Any, account: str) -> None:
    row = graph.get(f"{account}/ads", fields="name,creative{id,title},adset{id,campaign{name}}", limit=1).json()
    ad = row["data"][0]
    creative = sandbox.truth("meta_ads", "creatives", account=account)[0]
    assert ad["creative"] == {"id": creative["id"], "title": creative["title"]}
    assert ad["adset"]["campaign"]["name"] == sandbox.truth("meta_ads", "campaigns", account=account)[0]["name"]
    assert graph.get(f"{account}/ads", fields="creative", limit=1).json()["data"][0]["creative"] == {
        "id": creative["id"]
    }


@pytest.mark.parametrize(
    ("path", "fields", "expected", "says"),
    [
        ("", "id,nope", 100, "nonexisting field (nope) on node type (AdAccount)"),
        ("/ads", "creative{nope}", 100, "nonexisting field (nope) on node type (AdCreative)"),
        ("/insights", "spend,nope", 100, "nope is not valid for fields param"),
        ("/ads", "creative{id", 2500, "Syntax error"),
        ("/ads", "id,,name", 2500, "Syntax error"),
    ],
)
def test_fields_that_do_not_exist_are_named(
    graph: Any, account: str, *, path: str, fields: str, expected: int, says: str
) -> None:
    answer = graph.get(account + path, fields=fields)
    assert code(answer) == (expected, None)
    assert says in error(answer)["message"]


def test_fields_are_read_as_text_and_as_an_array(graph: Any, account: str) -> None:
    as_text = graph.get(account, fields="currency,name").json()
    assert graph.get(account, fields='["currency","name"]').json() == as_text


def test_a_page_holds_25_unless_told_and_the_last_one_has_cursors_but_no_next(graph: Any, account: str) -> None:
    first = graph.get(f"{account}/adcreatives").json()
    assert len(first["data"]) == 25
    assert TOKEN in first["paging"]["next"]
    last = graph.get(first["paging"]["next"]).json()
    assert 0 < len(last["data"]) < 25
    assert last["paging"].keys() == {"cursors"}
    assert last["paging"]["cursors"].keys() == {"before", "after"}


def test_the_next_address_never_repeats_the_proof(graph: Any, account: str) -> None:
    proof = hmac.new(APP_SECRET.encode(), TOKEN.encode(), hashlib.sha256).hexdigest()
    page = graph.get(f"{account}/ads", limit=1, appsecret_proof=proof).json()
    assert proof not in page["paging"]["next"]


@pytest.mark.parametrize("limit", ["0", "-1", "x", "²"])
def test_a_limit_that_is_no_size_is_refused(graph: Any, account: str, limit: str) -> None:
    assert code(graph.get(f"{account}/ads", limit=limit)) == (100, None)


def test_a_limit_over_5000_is_too_much_data(graph: Any, account: str) -> None:
    assert graph.get(f"{account}/ads", limit=5000).status_code == 200
    answer = graph.get(f"{account}/ads", limit=5001)
    assert answer.status_code == 500
    assert error(answer).keys() == {"message", "code"}
    assert "reduce the amount of data" in error(answer)["message"]


def test_a_cursor_works_only_untouched_and_where_it_came_from(graph: Any, account: str) -> None:
    after = graph.get(f"{account}/ads", limit=1).json()["paging"]["cursors"]["after"]
    assert graph.get(f"{account}/ads", after=after).status_code == 200
    for other in (after[:-2] + "AA", "é", "AAAA", after + "AAAA"):
        assert code(graph.get(f"{account}/ads", after=other)) == (100, None)
    assert code(graph.get(f"{account}/campaigns", after=after)) == (100, None)


def test_a_page_may_shrink_on_the_way(sandbox: RunningSandbox, graph: Any, account: str) -> None:
    first = graph.get(f"{account}/ads", limit=5).json()
    rest = graph.rows(f"{account}/ads", limit=2, after=first["paging"]["cursors"]["after"])
    assert first["data"] + rest == graph.rows(f"{account}/ads", limit=500)


# What is listed.


def test_a_listing_hides_archived_things_until_they_are_named_and_deleted_ones_always(
    sandbox: RunningSandbox, graph: Any, account: str
) -> None:
    truth = {row["id"]: row["effective_status"] for row in sandbox.truth("meta_ads", "campaigns", account=account)}
    assert set(truth.values()) == {"ACTIVE", "PAUSED", "ARCHIVED"}
    living = {name for name, status in truth.items() if status != "ARCHIVED"}
    assert {row["id"] for row in graph.rows(f"{account}/campaigns")} == living
    named = graph.rows(f"{account}/campaigns", effective_status=ALL_STATUSES)
    assert {row["id"] for row in named} == set(truth)
    filtering = '[{"field":"effective_status","operator":"IN","value":["ARCHIVED","DELETED"]}]'
    assert {row["id"] for row in graph.rows(f"{account}/campaigns", filtering=filtering)} == set(truth) - living


def test_a_deleted_thing_vanishes_from_listings_and_can_still_be_read_by_its_id(
    sandbox: RunningSandbox, graph: Any, account: str
) -> None:
    now = sandbox.clock.now()
    sandbox.clock.set(now - timedelta(days=60))
    before = {row["id"] for row in sandbox.truth("meta_ads", "campaigns", account=account)}
    sandbox.clock.set(now)
    listed = {row["id"] for row in graph.rows(f"{account}/campaigns", effective_status=ALL_STATUSES)}
    (gone,) = before - listed
    assert graph.get(gone, fields="effective_status").json() == {"id": gone, "effective_status": "DELETED"}
    children = graph.rows(f"{gone}/ads", effective_status=ALL_STATUSES)
    assert children == []


def test_children_say_when_their_campaign_is_paused(sandbox: RunningSandbox, graph: Any, account: str) -> None:
    campaigns = graph.rows(f"{account}/campaigns", fields="effective_status")
    (paused,) = [row["id"] for row in campaigns if row["effective_status"] == "PAUSED"]
    statuses = {row["effective_status"] for row in graph.rows(f"{paused}/adsets", fields="effective_status")}
    assert "CAMPAIGN_PAUSED" in statuses
    assert statuses <= {"CAMPAIGN_PAUSED", "PAUSED"}


def unix(text: object) -> int:
    return int(datetime.strptime(str(text), "%Y-%m-%dT%H:%M:%S%z").timestamp())


@pytest.mark.parametrize(("edge", "prefix"), [("campaigns", "campaign"), ("adsets", "adset"), ("ads", "ad")])
def test_updated_time_filters_on_both_sides(graph: Any, account: str, edge: str, prefix: str) -> None:
    def ask(*conditions: tuple[str, int]) -> set[object]:
        filtering = [
            {"field": f"{prefix}.updated_time", "operator": operator, "value": value} for operator, value in conditions
        ]
        return {row["id"] for row in graph.rows(f"{account}/{edge}", filtering=json.dumps(filtering))}

    times = {row["id"]: unix(row["updated_time"]) for row in graph.rows(f"{account}/{edge}", fields="updated_time")}
    middle = sorted(times.values())[len(times) // 2]
    later = {name for name, moment in times.items() if moment > middle}
    assert ask(("GREATER_THAN", middle)) == later
    assert ask(("GREATER_THAN", middle - 1), ("LESS_THAN", middle + 1)) == {
        name for name, moment in times.items() if moment == middle
    }
    assert 0 < len(later) < len(times)


def test_an_edit_of_a_campaign_moves_its_updated_time_and_not_that_of_its_children(
    sandbox: RunningSandbox, graph: Any, account: str
) -> None:
    campaign = graph.rows(f"{account}/campaigns", fields="updated_time,name")[1]
    edited = datetime.fromtimestamp(unix(campaign["updated_time"]), UTC)
    sandbox.clock.set(edited - timedelta(seconds=1))
    children = graph.rows(f"{campaign['id']}/adsets", fields="updated_time")
    before = graph.get(str(campaign["id"]), fields="updated_time,name").json()
    assert before["name"] != campaign["name"]
    assert unix(before["updated_time"]) < unix(campaign["updated_time"])
    sandbox.clock.set(edited)
    assert graph.get(str(campaign["id"]), fields="updated_time,name").json() == campaign
    assert graph.rows(f"{campaign['id']}/adsets", fields="updated_time") == children


def test_ids_and_parents_filter(graph: Any, account: str) -> None:
    campaign = graph.rows(f"{account}/campaigns")[1]["id"]
    ads = graph.rows(f"{account}/ads", fields="campaign_id")
    mine = [row["id"] for row in ads if row["campaign_id"] == campaign]
    by_parent = json.dumps([{"field": "campaign.id", "operator": "IN", "value": [campaign]}])
    assert [row["id"] for row in graph.rows(f"{account}/ads", filtering=by_parent)] == mine
    by_id = json.dumps([{"field": "id", "operator": "IN", "value": mine[:2]}])
    assert [row["id"] for row in graph.rows(f"{account}/ads", filtering=by_id)] == mine[:2]
    assert [row["id"] for row in graph.rows(f"{campaign}/ads")] == mine


def test_updated_since_filters_ad_sets(graph: Any, account: str) -> None:
    rows = graph.rows(f"{account}/adsets", fields="updated_time")
    since = sorted(unix(row["updated_time"]) for row in rows)[len(rows) // 2]
    found = {row["id"] for row in graph.rows(f"{account}/adsets", updated_since=since)}
    assert found == {row["id"] for row in rows if unix(row["updated_time"]) >= since}


@pytest.mark.parametrize(
    "params",
    [
        {"filtering": '[{"field":"campaign.delivery_info","operator":"IN","value":["deleted"]}]'},
        {"filtering": '[{"field":"ad.updated_time","operator":"GREATER_THAN","value":1}]'},
        {"filtering": '[{"field":"name","operator":"LIKE","value":"x"}]'},
        {"filtering": '[{"field":"id","operator":"IN","value":"x"}]'},
        {"filtering": '{"field":"id"}'},
        {"filtering": "[{"},
        {"date_preset": "today"},
        {"before": "x"},
    ],
)
def test_what_is_not_reproduced_is_refused_and_not_ignored(graph: Any, account: str, params: dict[str, str]) -> None:
    assert code(graph.get(f"{account}/campaigns", **params)) == (100, None)
