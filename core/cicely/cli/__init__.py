"""The command line: a shell that loads commands when they are named."""
