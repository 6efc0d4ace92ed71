"""The cold tier by obstore: on S3, Google's and Azure's stores. Its entries are in `objects`."""
