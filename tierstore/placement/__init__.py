"""Where a key should live, and which resident entries go when the edge is full."""
