"""Moving keys between the regional and the cold tier, and sweeping what moves leave behind."""
