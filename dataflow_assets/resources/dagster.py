"""The platform as a Dagster resource, so that assets ask for it by name and tests put another in its place."""

import dagster as dg

from dataflow_assets.resources.platform import Platform, get_platform


class PlatformResource(dg.ConfigurableResource["PlatformResource"]):
    """Warehouse, Redis and vendors of this process. Looked up when first used: loading definitions touches nothing."""

    def get(self) -> Platform:
        """The platform; starts private servers if none are configured."""
        return get_platform()
