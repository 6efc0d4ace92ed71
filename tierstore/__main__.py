"""`python -m tierstore`: the same as the command `tierstore`."""

from __future__ import annotations

from tierstore.cli import main

if __name__ == "__main__":
    main()
