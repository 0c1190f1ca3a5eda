"""The faults that spoil a page: rows repeated, missing, or not as they should be."""

from collections.abc import Container

from dataflow_assets.sandbox.stripe.shapes.frame import Row

EMPTY_PAGE = "empty_page_with_more"
DUPLICATE_ROWS = "duplicate_rows"
PAGE_FAULTS = frozenset({EMPTY_PAGE, DUPLICATE_ROWS, "unknown_field", "bad_row", "type_changed"})

# What is spoiled, the first of these that the first row has.
_SPOILED = ("amount", "amount_due", "unit_amount", "quantity", "created")


def spoil(page: Row, faults: Container[str]) -> Row:
    """The page after its faults. Rows are copied, not changed."""
    rows: list[Row] = page["data"]
    if EMPTY_PAGE in faults:
        return page | {"data": [], "has_more": True}
    if not rows:
        return page
    if "unknown_field" in faults:
        rows = [row | {"field_of_tomorrow": {"value": "1"}} for row in rows]
    name = next((name for name in _SPOILED if name in rows[0]), None)
    if name is not None and "bad_row" in faults:
        rows = [rows[0] | {name: "n/a"}, *rows[1:]]
    if name is not None and "type_changed" in faults:
        rows = [row | {name: {"value": row[name]}} for row in rows]
    return page | {"data": rows}
