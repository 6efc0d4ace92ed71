"""`python -m tierstore.testing`: simulated clusters and planted mistakes, from the command line."""

from __future__ import annotations

from tierstore.testing.mutation import mutants
from tierstore.testing.simulation.command import main

main.add_command(mutants)

if __name__ == "__main__":
    main()
