"""The engine of a worker whose edge is shared with others: a Redis or Valkey.

Which way a key goes is decided by its rule. What is acknowledged at the edge lives there, in
copies and queues that all workers see: `reads`, `writes`, `draining`, `pulling`. What waits for the
region (`regional`), or may not be at the edge, goes the way of a private replica, through the
worker's own outbox; the shared copy of such a key is withdrawn before its write is acknowledged.
Copies in this process, `near`, are told of by a listener.
"""
