"""Stores over real tiers: a memory edge, or one that its workers share; PostgreSQL, S3."""

from __future__ import annotations

from itertools import count

import tierstore

NAMES = (f"trio_{number}" for number in count())
RULE = {
    "match": "**",
    "hotness": {"cold": "1/s", "half_life": "1s"},
    "min_residency": {"edge": "0s", "regional": "0s"},
}

PATIENT = {"edge": "5s", "regional": "10s", "cold": "20s"}


class Trio:
    """A schema of PostgreSQL and a prefix of S3, reached directly or by what stands before them."""

    def __init__(
        self, postgres, s3, folder, *, postgres_port=None, s3_url=None, timeouts=None, edge_url=None
    ):
        self.name = next(NAMES)
        self._folder = folder
        url = postgres.url
        if postgres_port is not None:
            url = url.replace(f":{postgres.port}/", f":{postgres_port}/")
        self._regional = f"{url}?schema={self.name}"
        self._cold = s3.url(self.name, s3_url)
        self._timeouts = timeouts or PATIENT
        self._edge = {"url": edge_url} if edge_url else {"capacity": "64KiB"}
        self._stores = []

    def open(self, *, is_patient=False):
        """Another store over the same tiers, which knows nothing yet."""
        number = len(self._stores)
        policy = {
            "tiers": {
                "edge": {"journal": f"journal-{number}", **self._edge},
                "regional": {"url": self._regional},
                "cold": {"url": self._cold},
            },
            "movement": {"interval": "250ms"},
            "replication": {"flush": "20ms", "pull": "100ms"},
            "timeouts": PATIENT if is_patient else self._timeouts,
            "rules": [RULE],
        }
        self._stores.append(tierstore.open(policy, base_dir=self._folder))
        return self._stores[-1]

    def close(self):
        """Close what was opened."""
        for store in self._stores:
            store.close(10)
