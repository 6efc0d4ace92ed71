"""The tiers' machinery: which adapter serves which URL, journals, objects."""
