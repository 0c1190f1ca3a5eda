"""How fast rows come in: pages of an API -> checked rows -> PostgreSQL, against what PostgreSQL and others can do."""
