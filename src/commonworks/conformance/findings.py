"""What a conformance check can find: a closed list of rules, and a finding under one of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final


class Rule(StrEnum):
    """One rule of the seam between the kernel and a resource."""

    NAME = "name"
    DOCUMENTED = "documented"
    PREFIX = "prefix"
    PARAMETER = "parameter"
    SCHEMA = "schema"
    VISIBILITY = "visibility"
    FIGURE = "figure"
    MODULES = "modules"
    PURE = "pure"
    INTEGERS = "integers"
    WORLD = "world"
    TOTAL = "total"
    VERDICTS = "verdicts"
    DECLARED = "declared"
    CREDITS = "credits"
    BUDGETS = "budgets"
    FORM = "form"
    MONEY = "money"
    DETERMINISTIC = "deterministic"
    ORDER = "order"
    HASH_SEED = "hash_seed"
    SPREAD = "spread"
    STATE = "state"
    VIEWS = "views"
    PICTURES = "pictures"
    PRIVATE = "private"
    CHEATERS = "cheaters"


RULES: Final[Mapping[Rule, str]] = MappingProxyType(
    {
        Rule.NAME: "The name is lower-case ASCII, fits a 32-byte word and is no other earner's.",
        Rule.DOCUMENTED: "Everything that is declared says in words what it is.",
        Rule.PREFIX: "Parameters, reasons and purposes stand under `<name>.`.",
        Rule.PARAMETER: "Parameters are unique, within their bounds, and name the emission share.",
        Rule.SCHEMA: "Columns fit their types, signers their kinds; every schema can be met.",
        Rule.VISIBILITY: "Devices' statements are sealed exactly when evidence is for members.",
        Rule.FIGURE: "Every figure names a key of the summary of a full epoch.",
        Rule.MODULES: "`rules.modules` has sources and covers all that the rules import.",
        Rule.PURE: "Rule modules import nothing that does I/O, and nothing outside the hash.",
        Rule.INTEGERS: "Rule modules hold no float and no true division.",
        Rule.WORLD: "The simulator keeps its contract: the same arguments, the same world.",
        Rule.TOTAL: "No input makes the rules fail: any statement, policy, budget or site table.",
        Rule.VERDICTS: "Every statement of the input is judged, once.",
        Rule.DECLARED: "Reasons and purposes that are used are declared.",
        Rule.CREDITS: "Credits, work and pay for a device count for the account behind it.",
        Rule.BUDGETS: "Nobody pays more than its budget, and every payment moves something.",
        Rule.FORM: "Results are integers, bytes and text in the order that the seam asks for.",
        Rule.MONEY: "What is spent and minted is earned, to the last unit.",
        Rule.DETERMINISTIC: "The same input gives the same result.",
        Rule.ORDER: "The order of statements, devices or accounts does not show.",
        Rule.HASH_SEED: "Another PYTHONHASHSEED gives the same result.",
        Rule.SPREAD: "Copies, and how statements are spread over logs, do not show.",
        Rule.STATE: "State survives its encoding, stops growing, and is refused when alien.",
        Rule.VIEWS: "Views give named tables whose rows fit their columns.",
        Rule.PICTURES: "Pictures draw columns of the views, with what their kind asks for.",
        Rule.PRIVATE: "What members' evidence says of a device or account has those it concerns.",
        Rule.CHEATERS: "Cheaters show in rejections or reductions, and less shows without them.",
    }
)
"""One sentence for each rule."""


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Finding:
    """One place where a resource breaks a rule."""

    rule: Rule
    where: str
    """What it is about: a field, a module and line, or the situation that was tried."""
    message: str
    """What is wrong."""

    def __str__(self) -> str:
        return f"{self.rule}: {self.where}: {self.message}"
