"""Limits of what is read of a file: far above what schools send, far below what would fill a machine."""

MAX_RECORD = 16_000_000  # bytes; a longer record is a damaged file, and memory is bounded by it
MAX_LINES = 100_000  # parsed at once: a record of two bytes takes as much memory as one of two hundred
MAX_VALUES = 200_000  # of one JSON element: sixteen million bytes of tiny numbers would take gigabytes
MAX_HEADER = 1_000_000  # bytes
MAX_DEPTH = 50  # JSON in JSON; far below where Python gives up, so that no record depends on how deep its caller stands
MAX_WORKBOOK = 1_000_000_000  # bytes unpacked; a workbook is held in memory
MAX_RATIO = 200  # real files unpack 5 to 30 times; more is looked at above MIN_BOMB
MIN_BOMB = 100_000_000  # bytes unpacked, or of rows


def most_unpacked(packed: int) -> int:
    """Bytes that a file, or all its rows, may take when it has `packed` bytes itself."""
    return max(MIN_BOMB, MAX_RATIO * packed)
