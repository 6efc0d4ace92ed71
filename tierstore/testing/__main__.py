"""`python -m tierstore.testing`: simulated clusters from the command line."""

from __future__ import annotations

from tierstore.testing.simulation.command import main

if __name__ == "__main__":
    main()
