"""Help for testing: what uses cicely, and what plugs into it."""
