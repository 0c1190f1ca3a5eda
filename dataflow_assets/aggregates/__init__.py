"""Facts in, `metrics.*` out: TimescaleDB continuous aggregates where the server has them, equal tables where not."""
