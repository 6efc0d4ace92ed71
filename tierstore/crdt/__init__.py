"""Conflict-free replicated data types, one file each: pure functions, no I/O, no clock."""
