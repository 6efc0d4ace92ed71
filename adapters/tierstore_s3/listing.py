"""Listings: objects, what is foreign, and uploads in parts that did not come to their end."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote

from tierstore.region.objects import Leftover, Listing, ObjectInfo, parse_name
from tierstore.region.refusals import NOT_MADE
from tierstore.region.requests import Refusal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tierstore.region.deadline import Deadline
    from tierstore_s3.session import Session

KEYS_MAX = 1000  # of one answer of S3
_LEFTOVER = re.compile(r"(.+\.(?:seg|val))\.([A-Za-z0-9_.~%-]+)\.upload")
_NO_UPLOADS = {NOT_MADE, "MethodNotAllowed"}


def leftover_name(name: str, upload_id: str) -> str:
    """How listings call an upload of `name` that did not come to its end."""
    return f"{name}.{quote(upload_id, safe='')}.upload"


def parse_leftover(name: str) -> tuple[str, str] | None:
    """The name of the object that was to be, and the id of its upload; None for other names."""
    match = _LEFTOVER.fullmatch(name)
    if match is None or parse_name(match[1]) is None:
        return None
    return match[1], unquote(match[2])


def list_page(session: Session, prefix: str, after: str, limit: int, deadline: Deadline) -> Listing:
    """The next names under `prefix`, `limit` or `KEYS_MAX` of them."""
    limit = min(limit, KEYS_MAX)
    objects, is_cut = _objects(session, prefix, after, min(limit + 1, KEYS_MAX), deadline)
    uploads = [name for name in _uploads(session, prefix, deadline) if name > after]
    if is_cut:  # what comes after the last object is for a later page
        uploads = [name for name in uploads if name < objects[-1].name]
    sizes = {found.name: found.size_bytes for found in objects}
    every = sorted([*sizes, *uploads], key=str.encode)
    page = Listing()
    if is_cut or len(every) > limit:
        page.next_after = every[:limit][-1]
    for name in every[:limit]:
        _enter(page, name, sizes.get(name))
    return page


def _objects(
    session: Session, prefix: str, after: str, count: int, deadline: Deadline
) -> tuple[list[ObjectInfo], bool]:
    """Up to `count` objects, and whether there are more."""
    start = {"StartAfter": session.key(after)} if after else {}
    answer = session.ask(
        "list_objects_v2", deadline, Prefix=session.key(prefix), MaxKeys=count, **start
    )
    cut = len(session.location.prefix)
    found = [ObjectInfo(each["Key"][cut:], each["Size"]) for each in answer.get("Contents", [])]
    return found, bool(answer.get("IsTruncated")) and bool(found)


def _uploads(session: Session, prefix: str, deadline: Deadline) -> Iterator[str]:
    """The names of all uploads under `prefix`: there are few, so they are not paged."""
    cut = len(session.location.prefix)
    marker: dict[str, str] = {}
    while True:
        try:
            answer = session.ask(
                "list_multipart_uploads",
                deadline,
                _NO_UPLOADS,
                Prefix=session.key(prefix),
                **marker,
            )
        except Refusal:
            return
        for each in answer.get("Uploads", []):
            yield leftover_name(each["Key"][cut:], each["UploadId"])
        if not answer.get("IsTruncated"):
            return
        marker = {
            "KeyMarker": answer["NextKeyMarker"],
            "UploadIdMarker": answer["NextUploadIdMarker"],
        }


def _enter(page: Listing, name: str, size_bytes: int | None) -> None:
    parsed = parse_name(name)
    if size_bytes is not None and parsed:
        page.objects.append(ObjectInfo(name, size_bytes))
        return
    leftover = parse_leftover(name) if size_bytes is None else None
    minted = parse_name(leftover[0]) if leftover else None
    if minted:
        page.leftovers.append(Leftover(name, minted.minted_ms))
    else:
        page.foreign.append(name)
