"""The platform as a Dagster resource, so that assets ask for it by name and tests put another in its place."""

import dagster as dg

from dataflow_assets.resources.platform import Platform, get_platform


class PlatformResource(dg.ConfigurableResource["PlatformResource"]):
    """Warehouse, Redis and vendors of this process. Looked up when first used: loading definitions touches nothing."""

    vendors: bool = True  # false: nothing is read, and no sandbox is started

    def get(self) -> Platform:
        """The platform; starts private servers if none are configured."""
        # The first in the words of everybody else: a cache tells calls apart by how they are written.
        return get_platform() if self.vendors else get_platform(vendors=False)
