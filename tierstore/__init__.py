"""One key-value API over edge, regional and cold tiers."""
