"""What talks to the outside: HTTP, request budgets, the warehouse, Redis, Slack, dbt."""
