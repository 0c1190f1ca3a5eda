"""Raw tables in, staging, intermediate and mart models out. The SQL is in `dbt/`; this package runs it and feeds it."""
