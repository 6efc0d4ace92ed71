"""The command `tierstore`; docs/operations.md is its reference."""

from __future__ import annotations

from tierstore.cli.app import main

__all__ = ["main"]
