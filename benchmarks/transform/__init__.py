"""What a changed day costs in dbt, as history grows."""
