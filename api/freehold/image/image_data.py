"""Upload and download of image data.

An upload is streamed to a part file outside any transaction. Short transactions say that it began,
that it is alive, and that it is done. Whoever is stopped half way, by whatever, leaves the image
``queued`` again: at once when this process notices, or else when ``upload_until`` is over.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path

import anyio
from sqlalchemy import select
from sqlalchemy.orm import Session
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, Response
from starlette.types import Message, Receive, Scope, Send

from freehold.access import Rule
from freehold.errors import (
    BadRequest,
    Conflict,
    Forbidden,
    NotFound,
    RangeNotSatisfiable,
    TooLarge,
    UnsupportedMediaType,
)
from freehold.http import Call, Routes, transact
from freehold.image.data_file import Described, PartFile, sweep
from freehold.image.image import (
    ACTIVE,
    DEACTIVATED,
    QUEUED,
    SAVING,
    DeletedImage,
    Image,
    permitted_image,
)
from freehold.image.image_operations import OWN, SEEN
from freehold.store import new_id, utc_now

RULES = [
    Rule("upload_image", OWN, "PUT /v2/images/{image_id}/file"),
    Rule("download_image", SEEN, "GET /v2/images/{image_id}/file"),
]
ALIVE_FOR = timedelta(seconds=120)
"""An upload that nobody heard of for so long is dead."""
SAY_ALIVE_EVERY = timedelta(seconds=20)
IDLE_LIMIT_S = 60
"""An upload that brings no byte for so long is ended."""
PIECE_BYTES = 1 << 20
HASH_ALGORITHM = "sha512"
OCTETS = "application/octet-stream"


@dataclass(frozen=True)
class Upload:
    """One upload, as its begin found the image."""

    image_id: str
    upload_id: str
    disk_format: str


async def upload_data(call: Call, image_id: str) -> Response:
    """Store the request's body as the image's data."""
    return await receive_data(call, lambda: permitted_image(call, image_id, "upload_image"))


async def receive_data(call: Call, find: Callable[[], Image]) -> Response:
    """The same for whoever ``find`` lets in; it finds the image in the transaction that begins."""
    limit = call.config.image_max_gib << 30
    _check_request(call.request, limit)
    upload = await transact(call, lambda: _begin(call, find()))
    part: PartFile | None = None
    done = False
    try:
        part = await run_in_threadpool(
            PartFile, call.config.images_dir, upload.image_id, upload.upload_id, limit
        )
        await _receive(call, upload, part)
        described = await run_in_threadpool(part.close, upload.disk_format)
        await transact(call, partial(_finish, call, upload, part, described))
        done = True
    finally:
        if not done:
            with anyio.CancelScope(shield=True):
                if part is not None:
                    await run_in_threadpool(part.discard)
                await transact(call, lambda: _give_up(call.session, upload))
    return Response(status_code=204)


def _check_request(request: Request, limit: int) -> None:
    kind = request.headers.get("content-type", "").split(";")[0].strip().lower()
    if kind != OCTETS:
        raise UnsupportedMediaType("Image data is sent as Content-Type application/octet-stream.")
    length = request.headers.get("content-length", "0")
    if length.isdigit() and int(length[:20]) > limit:
        raise TooLarge(f"The image is larger than the {limit} bytes that are allowed.")


def _begin(call: Call, image: Image) -> Upload:
    if (status := image.shown_status(call.now)) != QUEUED:
        raise Conflict(f"Image status transition from {status} to saving is not allowed")
    if image.disk_format is None or image.container_format is None:
        raise BadRequest(
            "Properties disk_format, container_format must be set prior to saving data."
        )
    sweep(
        call.config.images_dir,
        call.now.timestamp(),
        lambda ids: call.session.scalars(
            select(DeletedImage.id).where(DeletedImage.id.in_(ids))
        ).all(),
    )
    image.status = SAVING
    image.upload_id = new_id()
    image.upload_until = call.now + ALIVE_FOR
    return Upload(image.id, image.upload_id, image.disk_format)


async def _receive(call: Call, upload: Upload, part: PartFile) -> None:
    said_alive = call.now
    waiting = bytearray()
    try:
        async for data in _body(call.request):
            waiting += data
            if len(waiting) < PIECE_BYTES:
                continue
            await run_in_threadpool(part.write, bytes(waiting))
            waiting.clear()
            if utc_now() - said_alive > SAY_ALIVE_EVERY:
                await transact(call, lambda: _say_alive(call, upload))
                said_alive = utc_now()
        await run_in_threadpool(part.write, bytes(waiting))
    except ClientDisconnect as error:
        raise BadRequest(
            f"The upload of image {upload.image_id} ended early, after {part.size} bytes."
        ) from error


async def _body(request: Request) -> AsyncIterator[bytes]:
    """The body as it comes; ended when it stops coming."""
    stream = request.stream()
    while True:
        try:
            async with asyncio.timeout(IDLE_LIMIT_S):
                data = await anext(stream, None)
        except TimeoutError as error:
            raise BadRequest(f"The upload brought nothing for {IDLE_LIMIT_S} s.") from error
        if data is None:
            return
        yield data


def _say_alive(call: Call, upload: Upload) -> None:
    _own(call.session, upload).upload_until = call.now + ALIVE_FOR


def _finish(call: Call, upload: Upload, part: PartFile, described: Described) -> None:
    image = _own(call.session, upload)
    part.put_in_place()
    image.status = ACTIVE
    image.upload_id = image.upload_until = None
    image.size = described.size
    image.virtual_size = described.inspected.virtual_size
    image.checksum = described.checksum
    image.os_hash_algo = HASH_ALGORITHM
    image.os_hash_value = described.sha512
    image.updated_at = call.now
    call.audit("upload", "image", image.id, size=described.size)


def _give_up(session: Session, upload: Upload) -> None:
    image = _locked(session, upload.image_id)
    if image is not None and image.upload_id == upload.upload_id:
        image.status = QUEUED
        image.upload_id = image.upload_until = None


def _own(session: Session, upload: Upload) -> Image:
    """The image, while this upload is the one that may finish it."""
    image = _locked(session, upload.image_id)
    if image is None:
        raise NotFound(f"Image {upload.image_id} was deleted during the upload.")
    if image.upload_id != upload.upload_id:
        raise Conflict(f"Another upload to image {upload.image_id} took the place of this one.")
    return image


def _locked(session: Session, image_id: str) -> Image | None:
    return session.scalar(select(Image).where(Image.id == image_id).with_for_update(of=Image))


def download_data(call: Call, image_id: str) -> Response:
    """The image's data; 204 when there is none yet."""
    image = permitted_image(call, image_id, "download_image")
    if image.status == DEACTIVATED and not call.caller.is_admin:
        raise Forbidden(
            "The requested image has been deactivated. Image data download is forbidden."
        )
    if not image.has_data:
        return Response(status_code=204)
    headers = {}
    if image.checksum and "range" not in call.request.headers:
        headers["Content-MD5"] = image.checksum
    return data_response(call, image, headers)


def data_response(call: Call, image: Image, headers: dict[str, str]) -> Response:
    """Stream an image's data; parts of it when the request asks for a range (RFC 9110)."""
    place = call.config.images_dir / image.id
    return _Data(place, media_type=OCTETS, headers=headers)


class _Data(FileResponse):
    """A file whose refused ranges are told in the API's own form."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve it; raises before anything is sent.

        Raises:
            BadRequest: A range of no form.
            RangeNotSatisfiable: One that the file does not have.
        """

        async def checked(message: Message) -> None:
            status = message.get("status")
            if status == 416:
                size = Path(self.path).stat().st_size
                raise RangeNotSatisfiable(f"The image has {size} bytes.", size_bytes=size)
            if status == 400:
                raise BadRequest("The Range header has no form of RFC 9110, such as bytes=0-499.")
            await send(message)

        await super().__call__(scope, receive, checked)


def routes(table: Routes) -> None:
    """Add the routes of image data."""
    path = "/images/{image_id}/file"
    table.add_stream(
        "PUT", path, upload_data, policy="upload_image", status=204, request={OCTETS: {}}
    )
    table.add(
        "GET", path, download_data, policy="download_image", media_type=OCTETS, also=[204, 206]
    )
