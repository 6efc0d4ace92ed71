"""The three real tiers of a deployment, each behind a proxy, and stores over them."""

from __future__ import annotations

from itertools import count

import tierstore

NAMES = (f"trio_{number}" for number in count())
RULE = {
    "match": "**",
    "hotness": {"cold": "1/s", "half_life": "1s"},
    "min_residency": {"edge": "0s", "regional": "0s"},
}

PATIENT = {"regional": "10s", "cold": "20s"}


class Trio:
    """PostgreSQL and S3 of its own schema and prefix, reached as `through` says."""

    def __init__(
        self, postgres, s3, folder, *, postgres_port=None, s3_url=None, edge=None, timeouts=None
    ):
        self.name = next(NAMES)
        self._folder = folder
        url = postgres.url
        if postgres_port is not None:
            url = url.replace(f":{postgres.port}/", f":{postgres_port}/")
        self._regional = f"{url}?schema={self.name}"
        self._cold = s3.url(self.name, s3_url)
        self._edge = edge or {"capacity": "64KiB"}
        self._timeouts = timeouts or PATIENT
        self._stores = []

    def open(self, *, is_patient=False, **rule):
        """Another store over the same tiers, which knows nothing yet."""
        number = len(self._stores)
        edge = {"journal": f"journal-{number}", **self._edge}
        if "url" in self._edge:
            edge = dict(self._edge)
        policy = {
            "tiers": {
                "edge": edge,
                "regional": {"url": self._regional},
                "cold": {"url": self._cold},
            },
            "movement": {"interval": "250ms"},
            "replication": {"flush": "20ms", "pull": "100ms"},
            "timeouts": PATIENT if is_patient else self._timeouts,
            "rules": [{**RULE, **rule}],
        }
        self._stores.append(tierstore.open(policy, base_dir=self._folder))
        return self._stores[-1]

    def close(self):
        """Close what was opened."""
        for store in self._stores:
            store.close(10)
