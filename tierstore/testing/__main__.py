"""`python -m tierstore.testing`: simulated clusters, planted mistakes, laws of types."""

from __future__ import annotations

from tierstore.testing.laws.command import laws
from tierstore.testing.mutation import mutants
from tierstore.testing.simulation.command import main
from tierstore.testing.simulation.strong_command import strong

main.add_command(laws)
main.add_command(mutants)
main.add_command(strong)

if __name__ == "__main__":
    main()
