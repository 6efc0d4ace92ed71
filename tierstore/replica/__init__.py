"""The replica: the engine behind eventual keys at one edge.

Reads and writes are local; an outbox carries writes to the region in numbered batches; pulls bring
the region's changes back. One file per movement: writes, flush, pull, fills, scan, adoption.
"""
