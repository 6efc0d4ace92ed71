"""The memory edge: resident copies of records, in the form in which a read finds them."""
