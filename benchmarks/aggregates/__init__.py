"""What aggregates save: every query of the dashboard, and a day's refresh."""
