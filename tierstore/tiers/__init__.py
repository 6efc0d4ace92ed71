"""The tiers' machinery: which adapter serves which URL, journals, and (later) objects."""
