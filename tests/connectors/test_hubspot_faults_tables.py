"""What lands of HubSpot's tables when the API has a bad day or a token opens nothing."""

import asyncio
from dataclasses import replace

import httpx
import pytest
from hasty import hasty_clock
from hubspot_support import PORTALS, Crm, assert_same, crm, fine, served, unseen, with_hubspot
from pydantic import SecretStr

from dataflow_assets.connectors.hubspot import CONNECTOR, search
from dataflow_assets.raw.session import open_sync
from dataflow_assets.raw.sync import StreamReport

__all__ = ["crm", "served"]  # fixtures


@pytest.mark.parametrize("fault", ["empty_page_with_next", "short_page_with_next", "duplicate_rows"])
def test_law_6_pages_that_are_odd_lose_and_double_nothing(crm: Crm, fault: str) -> None:
    crm.sandbox.fault(fault)
    names = ["contacts", "deals", "owners", "deal_companies", "deal_stage_history"]
    fine(crm.sync(*names))
    for name in names:
        assert_same(crm.stored(name), crm.truth(name))
    crm.later(hours=30)
    crm.later(minutes=1)
    fine(crm.sync("contacts"))
    lost = unseen(crm, "contacts")
    assert_same({key: row for key, row in crm.stored("contacts").items() if key not in lost}, crm.truth("contacts"))


@pytest.mark.parametrize("order", ["numeric", "text"])
def test_law_6_more_changes_than_search_gives_out_are_all_read(
    crm: Crm, order: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "CEILING", 20)
    monkeypatch.setattr(search, "PAGE", 6)
    crm.sandbox.limits("hubspot", search_ceiling=20, search_id_order=order)
    fine(crm.sync("contacts"))
    crm.later(days=6)
    fine(crm.sync("contacts"))
    crm.later(minutes=1)
    lost = unseen(crm, "contacts")
    assert_same({key: row for key, row in crm.stored("contacts").items() if key not in lost}, crm.truth("contacts"))
    assert crm.sandbox.requests()["by_endpoint"]["hubspot"]["contacts_search"] > 20


def test_records_the_index_shows_with_an_old_time_are_brought_by_the_next_sync(crm: Crm) -> None:
    crm.sandbox.fault("out_of_window_rows")
    fine(crm.sync("contacts"))
    for _ in range(3):
        crm.later(hours=7)
        fine(crm.sync("contacts"))
    crm.sandbox.clear_faults()
    crm.later(minutes=1)
    fine(crm.sync("contacts"))
    lost = unseen(crm, "contacts")
    assert_same({key: row for key, row in crm.stored("contacts").items() if key not in lost}, crm.truth("contacts"))


def test_law_6_a_bad_record_is_set_aside_and_an_unknown_field_is_kept(crm: Crm) -> None:
    crm.sandbox.fault("bad_row", endpoint="deals_list", times=1)
    crm.sandbox.fault("unknown_field", endpoint="companies_list", times=1)
    deals, companies = crm.sync("deals", "companies")
    assert deals.counts.quarantined == 1
    assert len(crm.stored("deals")) == len(crm.truth("deals")) - 1
    (noticed,) = [account.unknown_fields for account in companies.accounts if account.unknown_fields]
    assert noticed == ["fieldOfTomorrow"]
    assert companies.counts.quarantined == 0
    assert_same(crm.stored("companies"), crm.truth("companies"))


@pytest.mark.parametrize(
    ("fault", "endpoint"),
    [
        *((fault, "contacts_list") for fault in ("malformed_page", "html_502", "cut_connection", "transient_503")),
        *(("malformed_page", endpoint) for endpoint in ("associations_batch", "deals_batch_read", "contacts_search")),
        ("locked_423", "contacts_search"),
    ],
)
def test_a_passing_fault_is_waited_out(crm: Crm, fault: str, endpoint: str) -> None:
    fine(crm.sync("contacts", "deal_stage_history"))
    crm.later(hours=6)
    crm.sandbox.fault(fault, endpoint=endpoint, times=2)
    names = {"associations_batch": "contact_companies", "deals_batch_read": "deal_stage_history"}
    (report,) = fine(crm.sync(names.get(endpoint, "contacts"), full=endpoint == "contacts_list"))
    assert report.tally.retries >= 2


@pytest.mark.parametrize(
    ("fault", "seconds"),
    [("throttle_ten_seconds", 2), ("throttle_search", 1)],
)
def test_a_throttle_of_seconds_is_waited_for_as_told(crm: Crm, fault: str, seconds: int) -> None:
    fine(crm.sync("contacts"))
    crm.later(hours=6)
    told = {"seconds": seconds} if seconds > 1 else {}
    endpoint = "contacts_search" if "search" in fault else "contacts_list"
    crm.sandbox.fault(fault, endpoint=endpoint, times=1, account=PORTALS[0], **told)
    naps: list[float] = []

    async def go() -> StreamReport:
        plain = httpx.AsyncHTTPTransport(verify=False)
        async with open_sync(crm.platform, CONNECTOR, clock=hasty_clock(naps), transport=plain) as sync:
            return await sync.run(CONNECTOR.stream("contacts"))

    asyncio.run(go())
    assert seconds in naps


def test_law_9_a_portal_out_of_calls_waits_for_its_midnight_and_the_other_is_read(crm: Crm) -> None:
    crm.sandbox.fault("throttle_daily", account=PORTALS[0], endpoint="deals_list")
    (report,) = crm.sync("deals")
    (failed,) = report.failed
    assert failed.account.id == PORTALS[0]
    # Noon UTC is 13:00 in Berlin in March.
    assert failed.retry_after_seconds == pytest.approx(11 * 3_600, abs=5)
    assert {key[0] for key in crm.stored("deals")} == {PORTALS[1]}
    crm.sandbox.reset_requests()
    (again,) = crm.sync("contacts")
    (held,) = again.failed
    assert held.account.id == PORTALS[0]
    assert "budget" in (held.error or "")
    assert crm.sandbox.requests()["by_account"]["hubspot"][PORTALS[0]] == 1, "Whose portal it is, and nothing more."


def test_a_portal_that_moves_is_left_alone_until_it_has(crm: Crm) -> None:
    crm.sandbox.fault("moving_477", account=PORTALS[1], endpoint="owners")
    (report,) = crm.sync("owners")
    (failed,) = report.failed
    assert (failed.account.id, failed.retry_after_seconds) == (PORTALS[1], 86_400)


@pytest.mark.parametrize("fault", ["bad_token", "expired_token", "missing_scopes", "cloudflare_530"])
def test_law_9_a_refused_token_stops_its_own_portal_alone(crm: Crm, fault: str) -> None:
    crm.sandbox.fault(fault, account=PORTALS[0], endpoint="deals_list")
    deals, owners = crm.sync("deals", "owners")
    (failed,) = deals.failed
    assert failed.account.id == PORTALS[0]
    assert failed.retry_after_seconds is None
    assert {key[0] for key in crm.stored("deals")} == {PORTALS[1]}
    assert owners.failed == []


def test_law_9_a_token_that_opens_nothing_is_named_by_its_place_and_the_others_are_read(crm: Crm) -> None:
    three = SecretStr("pat-sandbox-0,pat-unknown-XYZW,pat-sandbox-1")
    crm.platform = replace(crm.platform, settings=with_hubspot(crm.platform, access_token=three))
    (report,) = crm.sync("owners")
    (failed,) = report.failed
    assert failed.account.id == "token 2 of 3"
    assert "INVALID_AUTHENTICATION" in (failed.error or "")
    assert "XYZW" not in (failed.error or "")
    assert {key[0] for key in crm.stored("owners")} == set(PORTALS)


def test_when_no_token_opens_anything_that_is_said(crm: Crm) -> None:
    none = SecretStr("pat-unknown-1,pat-unknown-2")
    crm.platform = replace(crm.platform, settings=with_hubspot(crm.platform, access_token=none))
    with pytest.raises(Exception, match=r"token 1 of 2.*DATAFLOW_HUBSPOT__ACCESS_TOKEN"):
        crm.sync("owners")


def test_an_app_reads_each_portal_with_its_refresh_token_and_renews_the_access(crm: Crm) -> None:
    oauth = {
        "access_token": None,
        "client_id": "sandbox-client",
        "client_secret": SecretStr("sandbox-hubspot-secret"),
        "refresh_token": SecretStr("sandbox-hubspot-refresh-0,sandbox-hubspot-refresh-1"),
    }
    crm.platform = replace(crm.platform, settings=with_hubspot(crm.platform, **oauth))
    fine(crm.sync("owners"))
    assert_same(crm.stored("owners"), crm.truth("owners"))
    fine(crm.sync("pipelines"))
    assert_same(crm.stored("pipelines"), crm.truth("pipelines"))


def test_law_9_an_app_that_was_removed_from_one_portal_still_reads_the_other(crm: Crm) -> None:
    oauth = {
        "access_token": None,
        "client_id": "sandbox-client",
        "client_secret": SecretStr("sandbox-hubspot-secret"),
        "refresh_token": SecretStr("sandbox-hubspot-refresh-1,sandbox-hubspot-refresh-unknown"),
    }
    crm.platform = replace(crm.platform, settings=with_hubspot(crm.platform, **oauth))
    (report,) = crm.sync("owners")
    (failed,) = report.failed
    assert failed.account.id == "token 2 of 2"
    assert "DATAFLOW_HUBSPOT__REFRESH_TOKEN" in (failed.error or "")
    assert {key[0] for key in crm.stored("owners")} == {PORTALS[1]}
