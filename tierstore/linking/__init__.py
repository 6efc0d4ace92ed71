"""Links between regions: what changes in one is taken over by another.

Import from the modules: `link` for one direction, `repair` for comparing two regions.
"""
