"""Virtual time moves only when told, and wakes waiters in order."""

from __future__ import annotations

import asyncio

import pytest

from commonworks.errors import InvalidInput
from commonworks.simulation.clock import VirtualClock


def test_time_stands_still_until_it_is_advanced() -> None:
    async def scenario() -> None:
        clock = VirtualClock(1_000)
        waiter = asyncio.create_task(clock.sleep_until(1_007))
        await clock.advance_to(1_006)
        assert not waiter.done()
        assert clock.next_wake() == 1_007
        await clock.advance_to(1_007)
        assert waiter.done()
        assert clock.now() == 1_007
        assert clock.next_wake() is None

    asyncio.run(scenario())


def test_waiters_wake_at_their_own_time_in_order_of_time_then_registration() -> None:
    async def scenario() -> list[tuple[str, int]]:
        clock = VirtualClock(0)
        seen: list[tuple[str, int]] = []

        async def wait(name: str, time_s: int) -> None:
            await clock.sleep_until(time_s)
            seen.append((name, clock.now()))

        names = (("late", 13), ("first", 5), ("second", 5), ("middle", 7))
        tasks = [asyncio.create_task(wait(name, time_s)) for name, time_s in names]
        await clock.advance_to(100)
        await asyncio.gather(*tasks)
        return seen

    assert asyncio.run(scenario()) == [("first", 5), ("second", 5), ("middle", 7), ("late", 13)]


def test_what_follows_from_a_waiter_happens_before_the_next_one_wakes() -> None:
    async def scenario() -> list[str]:
        clock = VirtualClock(0)
        seen: list[str] = []
        mail: asyncio.Queue[str] = asyncio.Queue()

        async def sender() -> None:
            await clock.sleep_until(5)
            for number in range(3):
                await mail.put(f"mail {number}")
            await clock.sleep_until(6)
            seen.append("sender again at 6")

        async def reader() -> None:
            while True:
                letter = await mail.get()
                await asyncio.sleep(0)
                seen.append(letter)

        async def other() -> None:
            await clock.sleep_until(6)
            seen.append("other")

        tasks = [asyncio.create_task(part()) for part in (sender, reader, other)]
        await clock.advance_to(10)
        for task in tasks:
            task.cancel()
        return seen

    expected = ["mail 0", "mail 1", "mail 2", "other", "sender again at 6"]
    assert asyncio.run(scenario()) == expected


def test_a_periodic_task_runs_once_per_period() -> None:
    async def scenario() -> list[int]:
        clock = VirtualClock(0)
        ticks: list[int] = []

        async def tick() -> None:
            while True:
                await clock.sleep_until(clock.now() + 11)
                ticks.append(clock.now())

        task = asyncio.create_task(tick())
        await clock.advance_to(50)
        task.cancel()
        return ticks

    assert asyncio.run(scenario()) == [11, 22, 33, 44]


def test_a_cancelled_waiter_is_forgotten() -> None:
    async def scenario() -> None:
        clock = VirtualClock(0)
        waiter = asyncio.create_task(clock.sleep_until(5))
        await asyncio.sleep(0)
        waiter.cancel()
        await asyncio.sleep(0)
        assert clock.next_wake() is None
        await clock.advance_to(9)
        assert clock.now() == 9

    asyncio.run(scenario())


def test_the_past_is_refused_and_a_passed_time_does_not_block() -> None:
    async def scenario() -> None:
        clock = VirtualClock(10)
        await clock.sleep_until(10)
        await clock.sleep_until(3)
        with pytest.raises(InvalidInput, match="cannot go back"):
            await clock.advance_to(9)

    asyncio.run(scenario())
