"""What a regional tier is: rows, the protocol that adapters implement, and how batches apply.

Adapters import this layer and those below it, nothing above.
"""
