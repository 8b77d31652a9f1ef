"""The cicely worker."""
