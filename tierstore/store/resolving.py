"""Inside a store: from a key as asked for to its rule, its answer and its value, and to a write.

A store and its views (`prefixed`) share one core. A view differs only in how it looks a key up.
"""

from __future__ import annotations

from tierstore.keys import check_key
from tierstore.replica.write import Write
from tierstore.store.arguments import (
    OMITTED,
    check_items,
    check_keys,
    check_metadata,
    check_size,
    seconds,
    ttl_ms,
)
from tierstore.store.unpacking import reveal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import Any

    from tierstore.edge.entry import Entry
    from tierstore.policy.model import Rule
    from tierstore.replica.changing import ChangeWrite
    from tierstore.replica.deadline import Deadline
    from tierstore.replica.reads import Answer
    from tierstore.store.arguments import TTL, Omitted
    from tierstore.store.core import Core
    from tierstore.store.results import Reading


class Resolver:
    """What the verbs of a store are made of."""

    is_session = False
    """Whether every verb must be noted."""

    def __init__(self, core: Core, prefix: str = "") -> None:
        self._core = core
        self._prefix = prefix
        self._lookup: Callable[[str], Entry | None]
        self._rewrite: Callable[[Entry, bytes], bool]
        self._bump: Callable[[Entry, int], bool]
        self._time_ns = core.runtime.time_ns
        core.attach(self)

    def _open(self) -> None:
        self._core.ensure_open()

    def _place(self, key: str) -> tuple[str, Rule]:
        """The key in the tiers and its rule, without opening anything."""
        check_key(key)
        full = key
        if self._prefix:
            full = self._prefix + key
            check_key(full)
        return full, self._core.rule_for(full)

    def _place_plain(self, key: str) -> tuple[str, Rule]:
        """`_place` for verbs on values. Raises TypeMismatchError for a bounded counter."""
        full, rule = self._place(key)
        if rule.type == "bounded_counter":
            from tierstore.store.bounded import refuse_plain

            refuse_plain(key, rule)
        return full, rule

    def _locate(self, key: str) -> tuple[str, Rule]:
        located = self._place(key)
        self._open()
        return located

    def _locate_plain(self, key: str) -> tuple[str, Rule]:
        located = self._place_plain(key)
        self._open()
        return located

    def _resolve(
        self, key: str, max_age: float | None, timeout: float | None, *, counts: bool = True
    ) -> Answer:
        core = self._core
        max_age_s = None if max_age is None else seconds("max_age", max_age)
        deadline = core.deadline(timeout)
        full, rule = self._locate_plain(key)
        replica = core.replica
        answer = self._answer(full, rule, max_age_s, deadline, counts=counts)
        if answer.tier != "edge":
            replica.start()
        return answer

    def _answer(
        self, full: str, rule: Rule, max_age_s: float | None, deadline: Deadline, *, counts: bool
    ) -> Answer:
        bound_s = self._age_bound_s(max_age_s, rule)
        if rule.consistency == "strong":
            answer = self._core.strong.answer(full, bound_s, deadline)
            if counts:
                self._core.homes.warm({full: rule})
            return answer
        reader = self._core.replica.reader
        return reader.resolve(full, rule, bound_s, deadline, counts=counts)

    def _answers(
        self, rules: dict[str, Rule], max_age_s: float | None, deadline: Deadline
    ) -> dict[str, Answer]:
        """`_answer` for several keys, by as few requests as there can be."""
        answers: dict[str, Answer] = {}
        for portion in self._alike(rules):
            rule = next(iter(portion.values()))
            bound_s = self._age_bound_s(max_age_s, rule)
            if rule.consistency == "strong":
                answers |= self._core.strong.answers(list(portion), bound_s, deadline)
                self._core.homes.warm(portion)
            else:
                reader = self._core.replica.reader
                answers |= reader.resolve_many(portion, bound_s, deadline)
            deadline = deadline.renewed()
        return answers

    def _alike(self, rules: dict[str, Rule]) -> Iterable[dict[str, Rule]]:
        """`rules` in parts, each of which has one `_age_bound_s`."""
        portions: dict[Any, dict[str, Rule]] = {}
        for key, rule in rules.items():
            portions.setdefault(self._bound_by(rule), {})[key] = rule
        return portions.values()

    def _bound_by(self, rule: Rule) -> Any:
        """What of a rule tells its `_age_bound_s` from those of others."""
        return rule.consistency

    def _age_bound_s(self, max_age_s: float | None, rule: Rule) -> float | None:
        """How old a copy may be where `max_age_s` is asked for; None: as the rule says."""
        return max_age_s

    def _gather(
        self, keys: Iterable[str], max_age_s: float | None
    ) -> tuple[dict[str, Any], dict[str, Rule]]:
        """What is plainly resident, by key as asked for; the rules of the rest, by full key."""
        found: dict[str, Any] = {}
        rest: dict[str, Rule] = {}
        now_ms = self._time_ns() // 1_000_000
        for key in check_keys(keys):
            entry = self._lookup(key) if key.__class__ is str else None
            if entry is None or entry.guard or max_age_s is not None:
                full, rule = self._locate_plain(key)
                rest[full] = rule
            elif entry.expires_at is None or entry.expires_at > now_ms:
                entry.reads += 1
                value = reveal(key, entry.value, "edge", OMITTED)
                if value is not OMITTED:
                    found[key] = value
        return found, rest

    def _fetch(
        self, rules: dict[str, Rule], max_age_s: float | None, deadline: Deadline
    ) -> dict[str, Any]:
        answers = self._answers(rules, max_age_s, deadline)
        self._core.replica.start()
        return self._found(answers)

    def _found(self, answers: Mapping[str, Answer]) -> dict[str, Any]:
        """The values that `answers` hold, by key as asked for."""
        found: dict[str, Any] = {}
        cut = len(self._prefix)
        for full, answer in answers.items():
            value = self._value(full, answer, OMITTED)
            if value is not OMITTED:
                found[full[cut:] if cut else full] = value
        return found

    def _converted(self, key: str, answer: Answer, default: Any, type: Any) -> Any:
        value = self._value(key, answer, OMITTED)
        if value is OMITTED:
            return default
        if type is None:
            return value
        from tierstore.values.typed import convert

        return convert(value, type)

    def _reading(self, key: str, answer: Answer) -> Reading:
        from tierstore.store.receipt import make_reading

        full, rule = self._locate(key)
        value = self._value(full, answer, None)
        return make_reading(self._core.replica.state, rule, answer, value, self._is_live(answer))

    def _is_live(self, answer: Answer) -> bool:
        record = answer.record
        if record is None or answer.is_decided:
            return record is not None
        return record.is_live(self._time_ns() // 1_000_000)

    def _value(self, key: str, answer: Answer, default: Any) -> Any:
        record = answer.record
        if record is None or (record.expires_at_ms is not None and not self._is_live(answer)):
            return default
        return reveal(key, answer.value, answer.tier, default)

    def _puts(
        self, items: Mapping[str, Any], ttl: TTL | Omitted, metadata: Mapping[str, str] | None
    ) -> list[Write]:
        return [self._write(key, item, ttl, metadata) for key, item in check_items(items).items()]

    def _deletes(self, keys: Iterable[str]) -> list[Write | ChangeWrite]:
        return [_delete(*self._locate_plain(key)) for key in check_keys(keys)]

    def _write(
        self,
        key: str,
        value: Any,
        ttl: TTL | Omitted,
        metadata: Mapping[str, str] | None,
    ) -> Write:
        entry = self._lookup(key) if key.__class__ is str else None
        if entry is not None:  # what is resident was checked when it came
            full, rule = entry.key, entry.rule
        else:
            full, rule = self._place(key)
        if rule.type != "register":
            from tierstore.store.typed import require_type

            require_type(key, rule, "register")
        lifetime_ms = None
        if ttl is not OMITTED or rule.ttl_s is not None:
            lifetime_ms = ttl_ms(rule, ttl, self._core.runtime)
        checked = None if metadata is None else check_metadata(metadata)
        write = Write(full, rule, value, lifetime_ms, checked)
        if write.size > self._core.policy.limits.value_bytes:
            limit = self._core.policy.limits.value_bytes
            check_size(key, write.size - len(full.encode()), limit)
        if entry is None:
            self._open()
        return write


def _delete(full: str, rule: Rule) -> Write | ChangeWrite:
    if rule.type == "register":
        return Write(full, rule, None, None, None, delete=True)
    from tierstore.replica.changing import ChangeWrite

    return ChangeWrite(full, rule, None, None, resets=True)
