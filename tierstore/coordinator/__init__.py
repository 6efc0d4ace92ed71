"""Strong keys: commits and reads at the coordinator, transactions, leases, sequences, escrow."""
