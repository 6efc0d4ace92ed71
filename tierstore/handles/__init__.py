"""What `store.counter(key)` and its like return: the verbs of one type, on one key.

A handle is given an engine for its key, not a store: `handles.engine`.
"""
