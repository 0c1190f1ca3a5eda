"""Vendor pages in, raw tables out: decode, check, land in one transaction. `factory` and `report` know Dagster."""
