"""The cicely scheduler."""
