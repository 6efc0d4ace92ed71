"""What users hold: the store, its receipts, scans and explanations."""
