"""The shared edge in a Redis or Valkey server. `tierstore_redis.edge:RedisEdge` is its entry."""
