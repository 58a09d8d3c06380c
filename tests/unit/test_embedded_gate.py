"""The gate: readers together, the writer alone, nobody starved."""

from __future__ import annotations

import asyncio

from commonworks.chain.embedded.gate import Gate


def test_the_writer_waits_for_readers_and_later_readers_for_the_writer() -> None:
    async def run() -> list[str]:
        gate, seen, finish = Gate(), [], asyncio.Event()

        async def early() -> None:
            async with gate.shared():
                seen.append("early in")
                await finish.wait()
                seen.append("early out")

        async def writer() -> None:
            async with gate.exclusive():
                seen.append("writer in")
                await asyncio.sleep(0)
                seen.append("writer out")

        async def late() -> None:
            async with gate.shared():
                seen.append("late in")

        tasks = []
        for work in (early, early, writer, late):
            tasks.append(asyncio.create_task(work()))
            await asyncio.sleep(0)
        finish.set()
        await asyncio.gather(*tasks)
        return seen

    assert asyncio.run(run()) == [
        *("early in", "early in", "early out", "early out", "writer in", "writer out", "late in")
    ]


def test_a_busy_writer_lets_waiting_readers_pass_between_two_turns() -> None:
    async def run() -> list[str]:
        gate, seen = Gate(), []

        async def reader() -> None:
            async with gate.shared():
                seen.append("reader")

        async def writer() -> None:
            for _ in range(3):
                async with gate.exclusive():
                    seen.append("writer")
                    await asyncio.sleep(0)

        await asyncio.gather(writer(), reader())
        return seen

    assert asyncio.run(run()) == ["writer", "reader", "writer", "writer"]


def test_a_reader_that_gives_up_does_not_block_the_writer() -> None:
    async def run() -> None:
        gate = Gate()

        async def reader() -> None:
            async with gate.shared():
                await asyncio.Event().wait()

        inside = asyncio.create_task(reader())
        await asyncio.sleep(0)
        writing = asyncio.create_task(_once(gate))
        await asyncio.sleep(0)
        waiting = asyncio.create_task(reader())
        await asyncio.sleep(0)
        waiting.cancel()
        inside.cancel()
        await writing
        last = asyncio.create_task(reader())
        granted = asyncio.create_task(_once(gate))
        await asyncio.sleep(0)
        last.cancel()
        await granted

    asyncio.run(asyncio.wait_for(run(), 5))


async def _once(gate: Gate) -> None:
    async with gate.exclusive():
        await asyncio.sleep(0)
