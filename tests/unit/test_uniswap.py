"""The exchange's arithmetic by hand, its interface and its code against the npm packages."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from commonworks.chain import exchange_code, uniswap
from commonworks.chain.abi import Refusal
from commonworks.chain.exchange_code import (
    ARTIFACTS,
    ENVIRONMENT_VARIABLE,
    EXCHANGE_ORDER,
    FACTORY,
    PAIR_CODE_HASH,
    ROUTER,
    WETH,
    creation_code,
    exchange_creations,
    find_packages,
)
from commonworks.chain.uniswap import Quote, Reserves, Side
from commonworks.crypto.hashes import keccak256
from commonworks.errors import Conflict, Corrupt, InvalidInput, NotFound
from commonworks.units import PPM, WEI

RESERVE = st.integers(1, uniswap.UINT112_MAX)


# --- arithmetic -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("paid", "reserve_in", "reserve_out", "got"),
    [
        (1_000, 1_000, 1_000, 499),  # 997000 * 1000 / (1000000 + 997000) = 499.2
        (1_000, 10_007, 20_011, 1_813),  # 997000 * 20011 / (10007000 + 997000) = 1813.07
        (1, 1_000, 1_000, 0),  # 997 * 1000 / 1000997 = 0.996
        (7, 101, 503, 32),  # 6979 * 503 / (101000 + 6979) = 32.5
    ],
)
def test_what_comes_out_by_hand(paid: int, reserve_in: int, reserve_out: int, got: int) -> None:
    assert uniswap.amount_out(paid, reserve_in, reserve_out) == got


@pytest.mark.parametrize(
    ("got", "reserve_in", "reserve_out", "paid"),
    [
        (499, 1_000, 1_000, 1_000),  # 499000000 / (501 * 997) + 1 = 999.99.. + 1
        (32, 101, 503, 7),  # 3232000 / (471 * 997) + 1 = 6.88.. + 1
        (1, 1_000, 1_000, 2),
    ],
)
def test_what_goes_in_by_hand(got: int, reserve_in: int, reserve_out: int, paid: int) -> None:
    assert uniswap.amount_in(got, reserve_in, reserve_out) == paid


@given(paid=RESERVE, reserve_in=RESERVE, reserve_out=RESERVE)
def test_a_swap_gives_the_most_that_the_pool_can_give(
    paid: int, reserve_in: int, reserve_out: int
) -> None:
    got = uniswap.amount_out(paid, reserve_in, reserve_out)

    def allowed(out: int) -> bool:
        counted = 1_000 * (reserve_in + paid) - 3 * paid
        return counted * (reserve_out - out) >= 1_000 * reserve_in * reserve_out

    assert 0 <= got < reserve_out
    assert allowed(got)
    assert not allowed(got + 1)


@given(data=st.data(), reserve_in=RESERVE, reserve_out=st.integers(2, uniswap.UINT112_MAX))
def test_what_goes_in_buys_what_was_asked_for(
    data: st.DataObject, reserve_in: int, reserve_out: int
) -> None:
    got = data.draw(st.integers(1, reserve_out - 1))
    paid = uniswap.amount_in(got, reserve_in, reserve_out)
    assert uniswap.amount_out(paid, reserve_in, reserve_out) >= got
    assert uniswap.amount_out(max(paid - 2, 0), reserve_in, reserve_out) < got


def test_price_impact_and_limits_by_hand() -> None:
    reserves = Reserves(token=1_000_000 * WEI, currency=100_000_000_000)  # 0.10 a token
    assert reserves.price == 100_000
    sale = uniswap.quote_sell(10_000 * WEI, reserves)
    # 9970 of 1009970 tokens count: 100000 * 9970 / 1009970 = 987.158034
    assert sale.amount_out == 987_158_034
    assert sale.price == 98_715
    assert sale.impact_ppm == 9_872  # 9970 / 1009970 = 0.00987158
    assert uniswap.least_out(sale, 5_000) == 982_222_243
    purchase = uniswap.quote_buy(10_000 * WEI, reserves)
    # 100000 * 10000 / 990000 = 1010.10101, and 1010.10101 / 0.997 = 1013.140431
    assert purchase.amount_in == 1_013_140_432
    assert purchase.price == 101_315
    assert purchase.impact_ppm == 10_001  # 1 % and the unit that is rounded up
    assert uniswap.most_in(purchase, 5_000) == 1_018_206_135
    assert (sale.fee_ppm, purchase.side) == (3_000, Side.BUY)


def test_the_guides_example_is_what_the_pool_of_a_fresh_network_gives() -> None:
    quote = uniswap.quote_sell(100 * WEI, Reserves(token=50_000 * WEI, currency=5_000_000_000))
    assert (quote.amount_out, quote.price, quote.impact_ppm) == (9_950_159, 99_501, 1_991)
    guide = (Path(__file__).parents[2] / "docs" / "guide" / "exchange.md").read_text()
    for shown in ("9.950159 tEUR", "0.099501 tEUR per CWK", "0.1991 %", "= 9.950159"):
        assert shown in guide


@given(tokens=st.integers(10**6, 10**30), token=RESERVE, currency=RESERVE)
def test_impact_and_fee_explain_the_whole_difference_to_the_marginal_price(
    tokens: int, token: int, currency: int
) -> None:
    try:
        sale = uniswap.quote_sell(tokens, Reserves(token=token, currency=currency))
    except InvalidInput:
        return
    kept = sale.amount_in * currency * (PPM - sale.fee_ppm) * (PPM - sale.impact_ppm)
    assert sale.amount_out * token * PPM**2 + token * PPM**2 > kept  # a rounding unit above
    kept_more = sale.amount_in * currency * (PPM - sale.fee_ppm) * (PPM - sale.impact_ppm + 1)
    assert sale.amount_out * token * PPM**2 <= kept_more


def test_what_makes_no_trade() -> None:
    rich = Reserves(token=1_009, currency=1_013)
    for tokens in (0, -1, 2**112):
        with pytest.raises(InvalidInput, match="more than nothing"):
            uniswap.quote_sell(tokens, rich)
        with pytest.raises(InvalidInput, match="more than nothing"):
            uniswap.quote_buy(tokens, rich)
    with pytest.raises(InvalidInput, match="brings nothing"):
        uniswap.quote_sell(1, Reserves(token=10**18, currency=10**6))
    with pytest.raises(Conflict, match="holds no more") as more:
        uniswap.quote_buy(1_009, rich)
    assert more.value.fields["available"] == 1_008
    for empty in (Reserves(token=0, currency=1), Reserves(token=1, currency=0)):
        with pytest.raises(Conflict, match="is empty"):
            uniswap.quote_sell(1, empty)
        with pytest.raises(Conflict, match="is empty"):
            uniswap.quote_buy(1, empty)
        with pytest.raises(Conflict, match="is empty"):
            _ = empty.price


@given(
    side=st.sampled_from(Side),
    paid=st.integers(1, 10**30),
    got=st.integers(1, 10**30),
    slippage=st.integers(0, PPM),
)
def test_rounding_favours_whoever_trades_in_limits_and_nobody_in_prices(
    side: Side, paid: int, got: int, slippage: int
) -> None:
    reserves = Reserves(token=1, currency=1)
    quote = Quote(side=side, amount_in=paid, amount_out=got, reserves=reserves, impact_ppm=0)
    assert uniswap.least_out(quote, slippage) * PPM <= got * (PPM - slippage)
    assert uniswap.most_in(quote, slippage) * PPM >= paid * (PPM + slippage)
    if side is Side.SELL:
        assert quote.price * paid <= got * WEI
    else:
        assert quote.price * got >= paid * WEI


# --- refusals ---------------------------------------------------------------------------------


def test_the_contracts_words_become_one_clear_line() -> None:
    def refusal(reason: str) -> Conflict:
        return Refusal(name="Error", arguments={"reason": reason}).conflict()

    for reason in (
        "UniswapV2Router: INSUFFICIENT_OUTPUT_AMOUNT",
        "UniswapV2Router: EXCESSIVE_INPUT_AMOUNT",
    ):
        told = uniswap.explained(refusal(reason))
        assert "moved further than allowed" in told.message
        assert "--slippage" in told.hint
        assert told.fields["refusal"] == reason
    late = uniswap.explained(refusal("UniswapV2Router: EXPIRED"))
    assert "deadline is over" in late.message
    assert late.hint
    other = refusal("Pausable: paused")
    assert uniswap.explained(other) is other
    plain = Conflict("something else")
    assert uniswap.explained(plain) is plain


def sources() -> str:
    packages = find_packages()
    files = [*packages.glob("v2-*/contracts/**/*.sol"), *packages.glob("lib/contracts/**/*.sol")]
    return "\n".join(path.read_text() for path in files)


def test_every_refusal_that_is_explained_is_one_of_the_protocols() -> None:
    written = sources()
    for reason in uniswap._REFUSALS:
        assert f"'{reason}'" in written, reason


# --- the packages -----------------------------------------------------------------------------


def artifact(package: str, name: str) -> dict[str, Any]:
    path = find_packages() / package / "build" / f"{name}.json"
    document: dict[str, Any] = json.loads(path.read_text())
    return document


def test_the_router_finds_pools_by_the_hash_of_the_factorys_own_pair_code() -> None:
    pair = bytes.fromhex(artifact("v2-core", "UniswapV2Pair")["bytecode"])
    assert keccak256(pair) == PAIR_CODE_HASH
    assert creation_code(FACTORY).count(pair) == 1, "the factory carries the pair's whole code"
    assert creation_code(ROUTER).count(PAIR_CODE_HASH) == 1


def test_creation_codes_are_the_artifacts_with_their_arguments_appended() -> None:
    at = {name: bytes([number]) * 20 for number, name in enumerate(EXCHANGE_ORDER, start=1)}
    made = {name: make() for name, make in exchange_creations(at).items()}
    assert tuple(made) == EXCHANGE_ORDER == ("UniswapV2Factory", "WETH9", "UniswapV2Router02")
    words = {
        FACTORY: [bytes(32)],
        WETH: [],
        ROUTER: [bytes(12) + at[FACTORY], bytes(12) + at[WETH]],
    }
    for name, code in made.items():
        assert code == creation_code(name) + b"".join(words[name])


def test_the_interface_written_down_here_is_the_packages_own() -> None:
    def inputs(entry: dict[str, Any]) -> tuple[tuple[str, bool], ...]:
        return tuple((item["type"], item.get("indexed", False)) for item in entry.get("inputs", ()))

    for name, items in uniswap.INTERFACE.items():
        package = "v2-periphery" if name == ROUTER else "v2-core"
        declared = {
            (entry.get("name"), inputs(entry)): entry for entry in artifact(package, name)["abi"]
        }
        for item in items:
            entry = declared[item.name, tuple((f.type, f.indexed) for f in item.inputs)]
            outputs = [output["type"] for output in entry.get("outputs", [])]
            assert [field.type for field in item.outputs] == outputs, item.name


def test_other_code_under_the_same_name_is_refused(tmp_path: Path) -> None:
    original = find_packages()
    for known in ARTIFACTS.values():
        target = tmp_path / known.path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes((original / known.path).read_bytes())
    assert creation_code(ROUTER, tmp_path) == creation_code(ROUTER)
    changed = tmp_path / ARTIFACTS[ROUTER].path
    document = json.loads(changed.read_text())
    code = document["bytecode"]
    document["bytecode"] = code[:-2] + ("00" if code[-2:] != "00" else "01")
    changed.write_text(json.dumps(document))
    with pytest.raises(Corrupt, match="is not the code of UniswapV2Router02"):
        creation_code(ROUTER, tmp_path)
    for text in ("{", "[]", '{"bytecode": 7}', '{"bytecode": "zz"}', "{}"):
        changed.write_text(text)
        with pytest.raises(Corrupt, match="no compiled contract"):
            creation_code(ROUTER, tmp_path)


def test_packages_are_found_as_anvil_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    original = find_packages()
    monkeypatch.setattr("shutil.which", lambda _: None)
    with pytest.raises(NotFound, match="not installed") as missing:
        find_packages(tmp_path)
    assert "npm install @uniswap/v2-core@1.0.1" in missing.value.hint
    assert ENVIRONMENT_VARIABLE in missing.value.hint
    monkeypatch.setenv(ENVIRONMENT_VARIABLE, str(tmp_path))
    with pytest.raises(NotFound, match="where v2-core and v2-periphery are not"):
        find_packages()
    monkeypatch.setenv(ENVIRONMENT_VARIABLE, str(original))
    assert find_packages(tmp_path) == original
    monkeypatch.delenv(ENVIRONMENT_VARIABLE)
    modules = tmp_path / "global" / "node_modules"
    modules.mkdir(parents=True)
    (modules / exchange_code.SCOPE).symlink_to(original, target_is_directory=True)
    assert find_packages(tmp_path / "global") == modules / exchange_code.SCOPE
    monkeypatch.setattr("shutil.which", lambda _: str(modules / "@foundry-rs/anvil/bin.mjs"))
    assert find_packages(tmp_path).samefile(original)


def test_the_pinned_versions_are_the_ones_in_the_hint_and_in_the_lock() -> None:
    root = Path(__file__).parents[2]
    wanted = json.loads((root / "package.json").read_text())["devDependencies"]
    locked = json.loads((root / "package-lock.json").read_text())["packages"]
    for package in ("v2-core", "v2-periphery"):
        name = f"{exchange_code.SCOPE}/{package}"
        version = wanted[name]
        assert locked[f"node_modules/{name}"]["version"] == version
        installed = json.loads((find_packages() / package / "package.json").read_text())
        assert installed["version"] == version
