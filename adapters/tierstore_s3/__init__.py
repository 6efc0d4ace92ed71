"""The cold tier on S3 and what is compatible. `tierstore_s3.objects:S3Objects` is its entry."""
