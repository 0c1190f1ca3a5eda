"""What is true in the sandbox's world, in nobody's vocabulary: accounts, campaigns, ads and what they did each day.

Everything is a pure function of the configuration, the identity of the thing asked about, and the instant asked at.
Nothing is stored, so a world of any size costs no memory and two processes with one seed agree on every figure.
"""

from dataflow_assets.sandbox.world.accounts import Account
from dataflow_assets.sandbox.world.campaigns import Ad, AdSet, Campaign
from dataflow_assets.sandbox.world.clock import Clock
from dataflow_assets.sandbox.world.config import WorldConfig
from dataflow_assets.sandbox.world.customers import Customer
from dataflow_assets.sandbox.world.performance import Counts, Moment
from dataflow_assets.sandbox.world.world import World

__all__ = ["Account", "Ad", "AdSet", "Campaign", "Clock", "Counts", "Customer", "Moment", "World", "WorldConfig"]
