"""Rainfall keeps every rule of the seam, and its own rules give what a person works out by hand."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from commonworks_rainfall import RESOURCE
from commonworks_rainfall.readings import ORDER, REPORT
from commonworks_rainfall.simulate import SIMULATOR
from commonworks_rainfall.verify_v1 import CellRain

from commonworks.conformance import check_resource
from commonworks.crypto.hashes import sha256
from commonworks.crypto.keys import Algorithm, PublicKey
from commonworks.model import Device, Facts, Network, ResourceResult
from commonworks.policy import KERNEL_PARAMETERS, Policy
from commonworks.resources.base import Authentic, ResourceInput, Traded, Verified
from commonworks.statements.model import Kind, Record

START_S = 1_767_225_600
NETWORK = Network(
    network_id=bytes(32),
    genesis_time=START_S,
    epoch_length_s=3_600,
    token=b"t" * 20,
    currency=b"c" * 20,
    currency_code="tEUR",
    treasury=b"y" * 20,
    initial_emission_wei=10**21,
)
PARAMETERS = {p.key: p.default for p in (*KERNEL_PARAMETERS, *RESOURCE.parameters)}
CELL = 0x85283473FFFFFFF


def test_conforms() -> None:
    assert check_resource(RESOURCE, SIMULATOR) == []


def report(device: Device, rain_um: Sequence[int], *, slot: int = 0, at: int = 7_200) -> Authentic:
    """Return a gauge's readings from a slot on, anchored `at` seconds after the epoch's start."""
    offsets = tuple(600 * (slot + i) for i in range(len(rain_um)))
    columns = {"offset_s": offsets, "rain_um": tuple(rain_um)}
    return said(device, Kind.REPORT, columns, START_S, START_S + at)


def subscribe(device: Device, price_micro: int, *, at: int = -60) -> Authentic:
    """Return a subscription, anchored `at` seconds after the epoch's start."""
    time = START_S + at - 9
    return said(device, Kind.ORDER, {"price_micro": (price_micro,)}, time, START_S + at)


def said(
    device: Device, kind: Kind, columns: dict[str, tuple[int, ...]], time: int, anchored_at: int
) -> Authentic:
    schema = REPORT if kind is Kind.REPORT else ORDER
    record = Record(
        network=NETWORK.network_id,
        resource="rainfall",
        time=time,
        columns=columns,
        dtypes={column.name: column.dtype for column in schema.columns},
        request=None,
    )
    return Authentic(
        identity=sha256(repr((device.device, kind, columns, anchored_at)).encode()),
        kind=kind,
        device=device,
        account=device.owner,
        record=record,
        request=None,
        anchored_at=anchored_at,
    )


def gauge(number: int, owner: bytes = b"", cell: int = CELL) -> Device:
    """Return a device; its owner is an account of its own unless given."""
    key = PublicKey(algorithm=Algorithm.EDDSA, raw=bytes([number]) * 32)
    owner = owner or bytes([number]) * 20
    return Device(device=number, owner=owner, key=key, resource="rainfall", cell=cell)


def settle(
    *statements: Authentic, state: bytes = b"", budget: int = 10**9, epoch: int = 0, **values: int
) -> tuple[Verified, Traded]:
    """Run the rules on an epoch of an hour."""
    devices = {item.device.device: item.device for item in statements if item.device}
    policy = PARAMETERS | {f"rainfall.{name}": value for name, value in values.items()}
    data = ResourceInput(
        facts=Facts(
            network=NETWORK,
            epoch=epoch,
            devices=devices,
            payees={},
            registrars=(),
            references=frozenset(),
            sites={},
            deposits={},
            withdrawals=(),
            spend_limits={(d.owner, d.device): 10**9 for d in devices.values()},
            service=(),
        ),
        policy=Policy(epoch=epoch, values=policy, history_hash=bytes(32)),
        devices=devices,
        accounts={d.device: d.owner for d in devices.values()},
        statements=tuple(sorted(statements, key=lambda item: item.identity)),
        site=None,
        state=state,
        budgets={d.owner: budget for d in devices.values()},
    )
    verified = RESOURCE.rules.verify(data)
    return verified, RESOURCE.rules.market(data, verified)


def disputes(verified: Verified) -> list[tuple[int, str]]:
    return [(item.device, str(item.reason)) for item in verified.intervals]


def test_three_neighbours_who_agree_confirm_each_other() -> None:
    # allowed: 400 um, and a quarter of the larger reading: 1300 and 1000 differ by 300 <= 725
    verified, _ = settle(
        *(report(gauge(i), [rain]) for i, rain in ((1, 1000), (2, 1100), (3, 1300)))
    )
    assert [credit.device for credit in verified.credits] == [1, 2, 3]
    assert verified.detail == (CellRain(start_s=START_S, cell=CELL, rain_um=1100, stations=3),)


def test_who_invents_rain_is_alone() -> None:
    verified, _ = settle(*(report(gauge(i), [rain]) for i, rain in ((1, 0), (2, 100), (3, 30_000))))
    # one of two others agrees with 1 and with 2: half is not more than half
    assert not verified.credits
    verified, _ = settle(
        *(report(gauge(i), [rain]) for i, rain in ((1, 0), (2, 100), (3, 30_000), (4, 200)))
    )
    assert [credit.device for credit in verified.credits] == [1, 2, 4]
    assert disputes(verified) == [(3, "rainfall.disagreement")]


def test_one_account_is_one_witness_however_many_gauges_it_has() -> None:
    mine = [gauge(number, owner=b"m" * 20) for number in (1, 2, 3, 4)]
    others = [gauge(5), gauge(6), gauge(7)]
    verified, _ = settle(
        *(report(device, [30_000]) for device in mine), *(report(device, [0]) for device in others)
    )
    assert [credit.device for credit in verified.credits] == [5, 6, 7]


@pytest.mark.parametrize(
    ("statement", "reason"),
    [
        (report(gauge(4, cell=0), [0]), "rainfall.no_cell"),
        (report(gauge(4), [0], slot=6), "rainfall.off_slot"),
        (report(gauge(4), [0], at=599), "rainfall.forecast"),
        (report(gauge(4), [0], at=600), ""),
    ],
)
def test_statements_that_say_nothing_of_the_epoch(statement: Authentic, reason: str) -> None:
    verified, _ = settle(statement)
    assert [str(verdict.reason) for verdict in verified.verdicts] == [reason]


def test_who_says_two_things_says_nothing() -> None:
    verified, _ = settle(
        report(gauge(1), [0, 0]), report(gauge(1), [7_000]),
        report(gauge(2), [0, 0]), report(gauge(3), [0, 0]),
    )  # fmt: skip
    assert disputes(verified) == [
        (1, "rainfall.contradiction"), (2, "rainfall.unwitnessed"), (3, "rainfall.unwitnessed"),
    ]  # fmt: skip
    assert len(verified.credits) == 3  # all three, in the second slot


def test_a_subscription_is_split_by_readings_and_floors() -> None:
    reports = [report(gauge(i), [0] * readings) for i, readings in ((1, 2), (2, 2), (3, 1), (4, 2))]
    _, traded = settle(*reports, subscribe(gauge(9), 101))
    # slot 0 has four gauges, slot 1 three: 7 readings; 101 * 2 // 7 = 28, 101 * 1 // 7 = 14
    assert [(p.payee[0], p.amount) for p in traded.payments] == [(1, 28), (2, 28), (3, 14), (4, 28)]
    assert dict(traded.summary) == {"subscribed_micro": 98, "unsplit_micro": 3}


def test_a_subscription_counts_when_the_chain_covered_it_before_the_epoch() -> None:
    reports = [report(gauge(i), [0]) for i in (1, 2, 3)]
    verified, traded = settle(*reports, subscribe(gauge(9), 30, at=0))
    assert not traded.payments
    end = subscribe(gauge(9), 0, at=4_000)  # in the next epoch, for the one after it
    verified, _ = settle(end, state=verified.state, epoch=1)
    assert [term.demand_maximum for term in verified.terms] == [30]
    verified, _ = settle(report(gauge(9), [0]), state=verified.state, epoch=2)
    assert not verified.terms


def test_who_cannot_pay_whole_pays_nothing() -> None:
    reports = [report(gauge(i), [0]) for i in (1, 2, 3)]
    _, traded = settle(*reports, subscribe(gauge(9), 31), budget=30)
    assert not traded.payments
    assert [(i.device, str(i.reason), i.claimed) for i in traded.intervals] == [
        (9, "rainfall.unfunded", 31)
    ]


def test_a_crowded_cell_shares_what_it_earns() -> None:
    reports = [report(gauge(i), [0]) for i in range(1, 7)]
    _, traded = settle(*reports, cell_stations=3, reading_wei=11)
    assert {(w.quantity, w.density_ppm, w.ceiling_wei) for w in traded.work} == {(1, 500_000, 11)}


def test_views_of_nothing() -> None:
    verified, traded = settle(*(report(gauge(i), [100 * i]) for i in (1, 2, 3)))
    empty = ResourceResult(
        resource="rainfall", intervals=(), credits=(), work=(), payments=(),
        summary={**verified.summary, **traded.summary}, detail=b"\x82\x80\x80",
    )  # fmt: skip
    assert {table.name for table in RESOURCE.views(empty)} == {
        "totals", "rain", "stations", "disputes",
    }  # fmt: skip
