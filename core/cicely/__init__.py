"""Tasks, signatures, routing and results."""
