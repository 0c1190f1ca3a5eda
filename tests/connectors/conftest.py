"""Generated tests of this folder are the same in every run, and judge no machine's speed."""

from hypothesis import settings

settings.register_profile("dataflow", deadline=None, derandomize=True)
settings.load_profile("dataflow")
