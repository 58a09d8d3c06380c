"""The journal's bytes: what a reader believes, what it cuts, where it stops."""

from __future__ import annotations

import zlib

import cbor2
import pytest

from commonworks.chain.embedded import frames
from commonworks.chain.embedded.frames import Accepted, Dropped, Frame, Mined
from commonworks.errors import Corrupt, InvariantBroken

MARKER = b"\xaa\xbb\xcc\xdd\x11\x22\x33\x44"
HASH = bytes(range(32))
RECORDS = (
    Accepted(raw=b"\x02transaction"),
    Mined(number=1, timestamp=1_700_000_003, hash=HASH, transactions=(HASH, HASH[::-1])),
    Dropped(transactions=(HASH,)),
)


def journal(*payloads: bytes) -> tuple[bytes, list[int]]:
    """Return a file with these groups, and where each frame starts (the header's first)."""
    data, starts = frames.MAGIC, []
    for payload in (b"header", *payloads):
        starts.append(len(data))
        data += frames.encode_frame(marker=MARKER, offset=len(data), payload=payload)
    return data, starts


def payloads(data: bytes) -> list[bytes]:
    marker, header = frames.read_header(data, where="journal")
    found = frames.read_groups(data, marker=marker, start=header.end, where="journal")
    return [frame.payload for frame in found]


def test_a_frame_is_laid_out_as_the_specification_says() -> None:
    covered = (7).to_bytes(8, "big") + MARKER + (3).to_bytes(4, "big") + b"abc"
    expected = MARKER + (3).to_bytes(4, "big") + zlib.crc32(covered).to_bytes(4, "big") + b"abc"
    assert frames.encode_frame(marker=MARKER, offset=7, payload=b"abc") == expected


def test_records_are_cbor_arrays_with_the_documented_numbers() -> None:
    encoded = [frames.encode_record(record) for record in RECORDS]
    assert [cbor2.loads(item) for item in encoded] == [
        [1, b"\x02transaction"],
        [2, 1, 1_700_000_003, HASH, [HASH, HASH[::-1]]],
        [3, [HASH]],
    ]
    group = Frame(offset=0, end=1, payload=frames.encode_group(encoded))
    assert frames.decode_group(group, where="journal") == RECORDS


@pytest.mark.parametrize("count", [1, 23, 24, 255, 256, 10_001])
def test_a_group_is_one_cbor_array_of_any_size(count: int) -> None:
    encoded = [frames.encode_record(Accepted(raw=bytes([i % 251 + 1]))) for i in range(count)]
    assert cbor2.loads(frames.encode_group(encoded)) == [cbor2.loads(item) for item in encoded]


def test_good_frames_are_read_in_order() -> None:
    data, _ = journal(b"one", b"two", b"three")
    assert payloads(data) == [b"one", b"two", b"three"]


def test_a_tail_torn_at_any_byte_is_cut_and_nothing_before_it() -> None:
    data, starts = journal(b"one", b"two", b"three")
    for length in range(starts[3], len(data)):
        assert payloads(data[:length]) == [b"one", b"two"]


def test_any_flipped_byte_in_the_middle_stops_the_reader() -> None:
    data, starts = journal(b"one", b"two", b"three")
    for position in range(starts[1], starts[3]):
        damaged = bytearray(data)
        damaged[position] ^= 0x41
        with pytest.raises(Corrupt, match="damaged at byte"):
            payloads(bytes(damaged))


def test_a_missing_piece_in_the_middle_stops_the_reader() -> None:
    data, starts = journal(b"one", b"two", b"three", b"four")
    # The frames behind the gap moved, so their checksums no longer hold where they stand; the
    # reader must still not take the rest for a torn tail when a frame stands where it was written.
    gap = data[: starts[2]] + bytes(starts[3] - starts[2]) + data[starts[3] :]
    with pytest.raises(Corrupt, match=f"damaged at byte {starts[2]}"):
        payloads(gap)


def test_a_damaged_last_frame_counts_as_torn() -> None:
    data, _ = journal(b"one", b"two")
    damaged = bytearray(data)
    damaged[-1] ^= 0x01
    assert payloads(bytes(damaged)) == [b"one"]


def test_a_frame_at_another_place_is_no_frame() -> None:
    data, starts = journal(b"one")
    copy = data[starts[1] :]
    assert payloads(data + copy) == [b"one"]


def test_transactions_cannot_forge_frames() -> None:
    """A torn frame stays a torn frame, whatever its transaction's data look like."""
    data, _ = journal(b"one")
    inner = len(data) + 16
    forged = frames.encode_frame(marker=b"guess---", offset=inner, payload=b"a good frame")
    whole, _ = journal(b"one", forged)
    assert payloads(whole[:-1]) == [b"one"]
    # With the marker, which nobody is shown, it would look like damage: so the test can fail.
    known = frames.encode_frame(marker=MARKER, offset=inner, payload=b"a good frame")
    whole, _ = journal(b"one", known + b"!")
    with pytest.raises(Corrupt):
        payloads(whole[:-1])


def test_any_flipped_byte_in_the_header_stops_the_reader() -> None:
    data, starts = journal(b"one")
    for position in range(starts[1]):
        damaged = bytearray(data)
        damaged[position] ^= 0x10
        with pytest.raises(Corrupt):
            payloads(bytes(damaged))


@pytest.mark.parametrize(
    "payload",
    [
        b"\xff",
        b"",
        cbor2.dumps({}),
        cbor2.dumps([]),
        cbor2.dumps([[9, b"x"]]),
        cbor2.dumps([[1, b""]]),
        cbor2.dumps([[1, "text"]]),
        cbor2.dumps([[1, bytes(frames.MAX_RAW_TRANSACTION_BYTES + 1)]]),
        cbor2.dumps([[2, 1, 1, HASH[:31], []]]),
        cbor2.dumps([[3, [HASH[:5]]]]),
    ],
)
def test_good_frames_with_unknown_content_stop_the_reader(payload: bytes) -> None:
    with pytest.raises(Corrupt, match="unknown record"):
        frames.decode_group(Frame(offset=8, end=9, payload=payload), where="journal")


def test_limits_are_the_writers_duty() -> None:
    with pytest.raises(InvariantBroken):
        frames.encode_frame(marker=MARKER, offset=0, payload=b"")
    with pytest.raises(InvariantBroken):
        frames.encode_frame(marker=MARKER, offset=0, payload=bytes(frames.MAX_PAYLOAD_BYTES + 1))
    with pytest.raises(InvariantBroken):
        frames.encode_record(Accepted(raw=bytes(frames.MAX_RAW_TRANSACTION_BYTES + 1)))
