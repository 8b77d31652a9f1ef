"""Pools: who runs the tasks."""
