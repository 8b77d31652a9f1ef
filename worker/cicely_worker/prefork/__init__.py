"""Processes as executors."""
