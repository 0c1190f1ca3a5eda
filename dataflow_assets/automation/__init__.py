"""What starts runs, and who hears when one goes wrong."""
