"""What a server says of itself, and what it means for what it acknowledges."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tierstore.errors import PolicyError, UnavailableError
from tierstore.region.shared import EdgeInfo

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Fields = dict[str, str]

REDIS_MIN = (7, 0)
VALKEY_MIN = (8, 0)
SETTINGS = ("maxmemory-policy", "appendonly", "appendfsync")

REPLICAS = "it has replicas, and a failover to one may lose the latest writes"
_NEITHER = "a single server or a cluster is needed"
_WANTED = {
    "cluster": "write redis+cluster:// or rediss+cluster:// for a cluster",
    "standalone": "write redis:// or rediss:// for a single server",
}


def parse_info(raw: Any) -> Fields:
    """The fields of an INFO reply."""
    text = raw.decode("utf-8", "replace") if isinstance(raw, bytes) else str(raw)
    lines = (line.strip() for line in text.removeprefix("txt:").splitlines())
    pairs = (line.partition(":") for line in lines if line and not line.startswith("#"))
    return {name: value for name, separator, value in pairs if separator}


def parse_settings(raw: Any) -> Fields:
    """The fields of a CONFIG GET reply; none if it is an error."""
    if isinstance(raw, list):
        raw = dict(zip(raw[::2], raw[1::2], strict=True))
    if not isinstance(raw, dict):
        return {}
    return {_text(name): _text(value) for name, value in raw.items()}


def run_of(info: Fields, epoch: str = "") -> str:
    """The life of the server: another after its restart, and after it became primary again.

    The run id tells processes apart; the replication id changes whenever a replica is promoted,
    which may lack what this process has acknowledged before. In a cluster there is the `epoch` of
    the node's configuration, too, which grows whenever a slot comes to it, be it back.
    """
    middle = f"{epoch}-" if epoch else ""
    return f"{info.get('run_id', '')}-{middle}{info.get('master_replid', '')[:16]}"


def process_of(run: str) -> str:
    """The part of a life that only changes when the server is started again."""
    return run.partition("-")[0]


def epoch_of(raw: Any) -> str:
    """The epoch in a CLUSTER INFO reply. Raises UnavailableError if there is none."""
    epoch = parse_info(raw).get("cluster_my_epoch", "")
    if not epoch.isdigit():
        raise UnavailableError("a node of the edge's cluster does not tell its epoch")
    return epoch


def check_server(info: Fields, place: str, *, is_node: bool = False) -> None:
    """Raise UnavailableError or PolicyError unless the server is one that can be used.

    `is_node`: as a node of a cluster.
    """
    name, version = _name_of(info)
    least = VALKEY_MIN if name == "valkey" else REDIS_MIN
    if not info.get("run_id"):
        raise UnavailableError(f"{place}: it does not tell its run id; allow the user INFO")
    if _numbers(version) < least:
        needed = "Redis 7.0 or Valkey 8.0 or later is needed"
        raise UnavailableError(f"{place}: {name} {version} is too old; {needed}")
    mode = info.get("redis_mode") or info.get("server_mode") or "standalone"
    if mode != ("cluster" if is_node else "standalone"):
        raise PolicyError(f"{place}: it runs as a {mode}; {_WANTED.get(mode, _NEITHER)}")
    if info.get("role", "master") != "master":
        raise UnavailableError(f"{place}: it is a replica, which takes no writes; name its primary")


def describe(info: Fields, settings: Fields, now_ms: int) -> EdgeInfo:
    """What the server is to the store."""
    faults = find_faults(info, settings)
    why = "; ".join(faults) or "every write is on disk before it is acknowledged"
    return EdgeInfo(run_of(info), now_ms, not faults, why, " ".join(_name_of(info)))


@dataclass(frozen=True, slots=True)
class Probed:
    """What one node of a cluster said of itself."""

    info: Fields
    settings: Fields
    life: str
    now_ms: int


def describe_cluster(
    found: Mapping[Any, Probed], lives: Sequence[str], now_ms: int, *, has_replicas: bool
) -> EdgeInfo:
    """What a cluster is to the store, by those nodes that answered: as good as the worst of them.

    `lives`: of the tags' servers, empty for those that did not answer.
    """
    faults: dict[str, list[str]] = {}
    for node, one in found.items():
        for fault in find_faults(one.info, one.settings):
            faults.setdefault(fault, []).append(str(node))
    if has_replicas:
        faults[REPLICAS] = list(map(str, found))
    told = [
        fault if len(nodes) == len(found) else f"{fault} (at {', '.join(nodes)})"
        for fault, nodes in faults.items()
    ]
    why = "; ".join(told) or "every write is on disk before it is acknowledged"
    names = sorted({" ".join(_name_of(one.info)) for one in found.values()})
    version = f"{', '.join(names)}, cluster of {len(found)}"
    return EdgeInfo(",".join(lives), now_ms, not faults, why, version, is_spread=True)


def find_faults(info: Fields, settings: Fields) -> list[str]:
    """Why what the server acknowledges may be lost; empty if it is not."""
    faults = []
    policy = settings.get("maxmemory-policy") or info.get("maxmemory_policy", "unknown")
    if policy != "noeviction" and not policy.startswith("volatile-"):
        faults.append(f"maxmemory-policy is {policy}, which evicts writes; set noeviction")
    if settings.get("appendonly", "yes" if info.get("aof_enabled") == "1" else "no") != "yes":
        faults.append("appendonly is off, so a restart loses the latest writes")
    elif settings.get("appendfsync") is None:
        faults.append("CONFIG GET is refused, so whether appendfsync is `always` is unknown")
    elif settings["appendfsync"] != "always":
        faults.append(f"appendfsync is {settings['appendfsync']}: only `always` loses nothing")
    if info.get("aof_last_write_status", "ok") != "ok":
        faults.append("its append-only file cannot be written")
    if info.get("connected_slaves", "0") != "0":
        faults.append(REPLICAS)
    return faults


def _name_of(info: Fields) -> tuple[str, str]:
    if "valkey_version" in info:
        return "valkey", info["valkey_version"]
    return info.get("server_name", "redis"), info.get("redis_version", "0")


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) if part.isdigit() else 0 for part in version.split(".")[:2])


def _text(raw: Any) -> str:
    return raw.decode("utf-8", "replace") if isinstance(raw, bytes) else str(raw)
