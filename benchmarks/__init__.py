"""Measurements: `python -m benchmarks.NAME [--json]`. Each prints ratios against a peer or a limit of the same run."""
