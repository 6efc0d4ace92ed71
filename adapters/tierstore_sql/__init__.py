"""The regional tier in an SQL database. `tierstore_sql.region:SqlRegion` is its entry."""
