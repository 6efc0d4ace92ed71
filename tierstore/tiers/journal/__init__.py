"""The journal: what a replica has written and its region has not yet acknowledged, on disk.

A journal is a directory. Each process locks one file in it and owns that file's identity while
it runs; a file whose process died is taken over or drained by another.
"""
