"""The gate: what a vendor sends is stored as it was meant, and one bad record never costs the others. Law 6."""

import json
from datetime import UTC, date, datetime
from decimal import Decimal
from itertools import pairwise

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from landing import EVERYTHING, ON_ONE_DATABASE, Made, as_page, good, land, make_table, pages

from dataflow_assets.raw.decode import Decoder
from dataflow_assets.resources.warehouse import Warehouse


@pytest.fixture(scope="module")
def warehouse(empty_warehouse: Warehouse) -> Warehouse:
    make_table(empty_warehouse)
    return empty_warehouse


# ------------------------------------------------------------------ good records


@ON_ONE_DATABASE
@given(pages())
def test_law_6_every_value_of_every_type_comes_back_from_the_table_as_it_was_sent(
    warehouse: Warehouse, made: list[Made]
) -> None:
    landed = land(warehouse, as_page([one.sent for one in made]))
    assert landed.rejected == []
    assert landed.rows == {one.row["id"]: one.row for one in made}
    assert landed.unknown == {name for one in made for name in one.row["_extra"] or ()}


@ON_ONE_DATABASE
@given(pages(), st.lists(st.integers(0, 6), max_size=3))
def test_records_mean_the_same_however_they_are_cut_into_pages(
    warehouse: Warehouse, made: list[Made], cuts: list[int]
) -> None:
    sent = [one.sent for one in made]
    bounds = [0, *sorted(min(cut, len(sent)) for cut in cuts), len(sent)]
    parts = [as_page(sent[a:b]) for a, b in pairwise(bounds)]
    assert land(warehouse, *parts).rows == {one.row["id"]: one.row for one in made}


def test_what_the_vendor_leaves_out_is_null_or_the_default(warehouse: Warehouse) -> None:
    landed = land(warehouse, b'[{"id": "1", "day": "2026-05-01"}]')
    nulls = dict.fromkeys((*EVERYTHING.column_names, "_extra"))
    assert landed.rows["1"] == nulls | {
        "id": "1",
        "day": date(2026, 5, 1),
        "text_or": "it's \\N",
        "count": 0,
        "price": Decimal("0.00"),
        "flag_or": False,
    }


def test_money_keeps_every_digit_it_was_written_with(warehouse: Warehouse) -> None:
    page = b'[{"id": "1", "day": "2026-05-01", "number": 12345678901234567890.012345678901, "price": "53.40"}]'
    row = land(warehouse, page).rows["1"]
    assert (str(row["number"]), str(row["price"])) == ("12345678901234567890.012345678901", "53.40")


@pytest.mark.parametrize(
    "text",
    [
        "2026-03-01T09:15:00+0100",
        "2026-03-01T09:15:00+01:00",
        "2026-03-01T08:15:00Z",
        "2026-03-01T08:15:00.000000+0000",
    ],
)
def test_an_instant_is_read_in_every_spelling_vendors_use(warehouse: Warehouse, text: str) -> None:
    row = land(warehouse, as_page([good("1", moment=text)])).rows["1"]
    assert row["moment"] == datetime(2026, 3, 1, 8, 15, tzinfo=UTC)


def test_a_time_without_end_as_vendors_write_it_is_stored_and_can_be_read(warehouse: Warehouse) -> None:
    row = land(warehouse, as_page([good("1", moment="9999-12-31T23:59:59Z", until="9999-12-31")])).rows["1"]
    assert (row["moment"].year, row["until"]) == (9999, date(9999, 12, 31))


def test_the_last_of_two_fields_with_one_name_counts(warehouse: Warehouse) -> None:
    page = b'[{"id": "1", "day": "2026-05-01", "text": "a", "text": "b"}]'
    assert land(warehouse, page).rows["1"]["text"] == "b"


# ------------------------------------------------------------------ unknown fields


def test_law_6_unknown_fields_are_kept_as_they_came_and_known_ones_that_are_not_kept_are_not(
    warehouse: Warehouse,
) -> None:
    strange = {"of_tomorrow": {"a": [1, 2.5, None]}, "ID": "other", "": 0}
    landed = land(warehouse, as_page([good("1", **strange), good("2", known_and_not_kept=1), good("3")]))
    assert landed.unknown == set(strange)
    assert {identity: row["_extra"] for identity, row in landed.rows.items()} == {"1": strange, "2": None, "3": None}


def test_law_6_an_unknown_field_inside_an_object_is_kept_too(warehouse: Warehouse) -> None:
    landed = land(warehouse, as_page([good("1", inner={"text": "x", "of_tomorrow": 1})]))
    assert landed.rows["1"]["inner_text"] == "x"
    assert "of_tomorrow" in json.dumps(landed.rows["1"]["_extra"])


# ------------------------------------------------------------------ bad records

BAD: dict[str, str] = {
    "no id": '{"day": "2026-05-01"}',
    "empty id": good(""),
    "id null": '{"id": null, "day": "2026-05-01"}',
    "id a number": '{"id": 5, "day": "2026-05-01"}',
    "no day": '{"id": "bad"}',
    "no object": '"bad"',
    "null": "null",
    "a list": "[]",
    "text a number": good("bad", text=5),
    "text an object": good("bad", text={}),
    "word for a number": good("bad", whole="n/a"),
    "half for a whole": good("bad", whole=1.5),
    "over bigint": good("bad", whole=2**63),
    "over bigint as text": good("bad", whole=str(2**63)),
    "below bigint": good("bad", whole=-(2**63) - 1),
    "far over bigint": good("bad", whole=10**40),
    "true for a number": good("bad", whole=True),
    "below ge": good("bad", count=-1),
    "default null": good("bad", count=None),
    "below ge, decimal": good("bad", price="-0.01"),
    "below ge, negative bound": good("bad", share=-1.5),
    "too many digits": good("bad", number="1" * 30),
    "too many digits in one with a bound": good("bad", price="1" * 30),
    "NaN": good("bad", number="NaN"),
    "signalling NaN": good("bad", number="sNaN"),
    "Infinity": good("bad", number="Infinity"),
    "-Infinity": good("bad", price="-Infinity"),
    "word for a decimal": good("bad", price="n/a"),
    "no digits for a decimal": good("bad", price=""),
    "only a sign for a decimal": good("bad", number="-"),
    "two points in a decimal": good("bad", number="1.2.3"),
    "a sign inside a decimal": good("bad", number="1-2"),
    "a comma in a decimal": good("bad", number="1,5"),
    "a comma and quotes in a decimal": good("bad", number='1","5'),
    "a list for a decimal": good("bad", number=[1, 2]),
    "an object for a decimal": good("bad", price={}),
    "true for a decimal": good("bad", price=True),
    "default null, decimal": good("bad", price=None),
    "word for a flag": good("bad", flag="perhaps"),
    "no such day": good("bad", day="2026-02-30"),
    "instant for a day": good("bad", day="2026-05-01T00:00:00Z"),
    "instant without zone": good("bad", moment="2026-05-01T00:00:00"),
    "no instant": good("bad", moment="yesterday"),
    "NUL in text": good("bad", text="a\0b"),
    "NUL in JSON": good("bad", nested={"a": "\0"}),
    "NUL in a key": good("bad", nested={"\0": 1}),
    "NUL in an unknown field": good("bad", of_tomorrow="\0"),
    "number inside wrong": good("bad", inner={"whole": "x"}),
    "inner no object": good("bad", inner=7),
    "half a character in text": '{"id": "bad", "day": "2026-05-01", "text": "cut \\ud83d off"}',
    "half a character in JSON": '{"id": "bad", "day": "2026-05-01", "nested": ["cut \\ud83d off"]}',
    "half a character in an unknown field": '{"id": "bad", "day": "2026-05-01", "new": "cut \\ud83d off"}',
    "decimal beyond PostgreSQL": good("bad", number="1e400000"),
    "JSON number beyond PostgreSQL": '{"id": "bad", "day": "2026-05-01", "nested": 1e400000}',
    "unknown number beyond PostgreSQL": '{"id": "bad", "day": "2026-05-01", "new": 1e400000}',
}


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD)
def test_law_6_one_bad_record_is_set_aside_with_its_reason_and_the_others_land(warehouse: Warehouse, bad: str) -> None:
    landed = land(warehouse, as_page([good("before"), bad, good("after", new=1)]))
    assert landed.rows.keys() == {"before", "after"}
    assert landed.rows["after"]["_extra"] == {"new": 1}
    ((reason, payload),) = landed.rejected
    assert reason
    assert payload


@pytest.mark.parametrize("where", ["text", "nested", "of_tomorrow"])
def test_law_6_a_record_with_a_byte_that_is_no_character_is_set_aside(warehouse: Warehouse, where: str) -> None:
    bad = good("bad", **{where: ["BYTE"] if where == "nested" else "BYTE"})
    page = bytes(as_page([good("before"), bad, good("after")])).replace(b"BYTE", b"a\xff")
    landed = land(warehouse, msgspec.Raw(page))
    assert landed.rows.keys() == {"before", "after"}
    ((_, payload),) = landed.rejected
    assert "a\ufffd" in payload


def test_law_6_a_record_over_its_bound_is_kept_as_it_came(warehouse: Warehouse) -> None:
    sent = good("bad", price="-1.50", inner={"text": "x"}, of_tomorrow=[1])
    ((reason, payload),) = land(warehouse, as_page([sent])).rejected
    assert reason == "Expected a number of at most 28 digits >= 0 - at `$.price`"
    assert json.loads(payload) == json.loads(sent), "Only what came can be replayed."


def test_a_text_that_only_looks_like_an_escaped_nul_is_text(warehouse: Warehouse) -> None:
    landed = land(warehouse, as_page([good("1", text="C:\\u0000")]))
    assert landed.rows["1"]["text"] == "C:\\u0000"


@pytest.mark.parametrize("body", [b"{}", b"5", b'[{"id": "1"', b"", b"<html>"])
def test_what_is_no_list_of_records_is_refused_as_a_whole(body: bytes) -> None:
    with pytest.raises(msgspec.DecodeError):
        Decoder(EVERYTHING).decode(msgspec.Raw(body))
