"""A response's bytes, up to a limit. Imported when a client is opened: httpx costs a tenth of a second."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx


class ReplyTooLarge(Exception):
    """More bytes than a reply may have. Raised while reading, so that memory stays bounded."""


class Bounded(httpx.AsyncByteStream):
    """Raises ReplyTooLarge instead of going on for ever."""

    def __init__(self, stream: Any, limit: int) -> None:
        self.stream, self.left = stream, limit

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for part in self.stream:
            self.left -= len(part)
            if self.left < 0:
                raise ReplyTooLarge
            yield part

    async def aclose(self) -> None:
        await self.stream.aclose()
