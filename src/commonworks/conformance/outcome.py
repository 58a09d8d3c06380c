"""What `verify` and `market` return, checked against what the seam promises for any input."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, fields, is_dataclass

from commonworks import canonical
from commonworks.conformance.findings import Finding, Rule
from commonworks.errors import CommonworksError, InvariantBroken
from commonworks.model import Outcome, Payment, Work
from commonworks.resources.base import Resource, ResourceInput, Traded, Verified
from commonworks.units import PPM


@dataclass(frozen=True, slots=True, kw_only=True)
class Ruled:
    """What a resource's rules made of one input."""

    verified: Verified
    traded: Traded

    def canonical(self) -> bytes:
        """Return everything as bytes, verdicts by identity: what must not depend on anything else.

        Raises: InvariantBroken or InvalidInput when a value has no canonical form.
        """
        verdicts = sorted(self.verified.verdicts, key=lambda item: item.identity)
        rest = [getattr(self.verified, f.name) for f in fields(Verified) if f.name != "verdicts"]
        return canonical.encode([verdicts, rest, self.traded])


def run_rules(resource: Resource, data: ResourceInput, where: str) -> Ruled | Finding:
    """Return what the rules make of an input; a finding where they fail."""
    step = "verify"
    try:
        verified = resource.rules.verify(data)
        step = "market"
        return Ruled(verified=verified, traded=resource.rules.market(data, verified))
    except Exception as error:
        # the rules are foreign code: whatever escapes them is what this check looks for
        message = f"{step} failed: {type(error).__name__}: {error}"
        return Finding(rule=Rule.TOTAL, where=where, message=message)


def check_rules(resource: Resource, data: ResourceInput, where: str) -> Iterator[Finding]:
    """Yield everything that is wrong with what the rules make of an input."""
    ruled = run_rules(resource, data, where)
    if isinstance(ruled, Finding):
        yield ruled
    else:
        yield from check_outcome(resource, data, ruled, where)


def check_outcome(
    resource: Resource, data: ResourceInput, ruled: Ruled, where: str
) -> Iterator[Finding]:
    """Yield every promise of the seam that a result breaks."""
    checks = (_form, _verdicts, _declared, _credits, _budgets)
    for check in checks:
        for rule, message in check(resource, data, ruled):
            yield Finding(rule=rule, where=where, message=message)


Wrong = Iterator[tuple[Rule, str]]


def _form(_resource: Resource, _data: ResourceInput, ruled: Ruled) -> Wrong:
    verified, traded = ruled.verified, ruled.traded
    try:
        ruled.canonical()
    except (CommonworksError, InvariantBroken) as error:
        yield Rule.FORM, str(error)
    if type(verified.state) is not bytes:
        yield Rule.FORM, "the state is not bytes"
    for name, value in (*verified.summary.items(), *traded.summary.items()):
        if type(value) is not int:
            yield Rule.FORM, f"summary {name} is not an integer"
    twice = sorted(set(verified.summary) & set(traded.summary))
    if twice:
        yield Rule.FORM, f"verify and market both sum up {twice[0]}"
    for part in (verified.intervals, verified.credits, traded.work, traded.payments):
        for item in part:
            wrong = _not_integer(item)
            if wrong:
                yield Rule.FORM, f"{type(item).__name__}.{wrong} is not an integer"
                break
    credits = [(credit.start_s, credit.device) for credit in verified.credits]
    if credits != sorted(credits):
        yield Rule.FORM, "credits are not sorted by (start, device, side)"
    terms = [term.device for term in verified.terms]
    if terms != sorted(terms):
        yield Rule.FORM, "terms are not sorted by device"


def _not_integer(item: object) -> str:
    """Return the first field that should be an integer and is not; else nothing."""
    if not is_dataclass(item):
        return ""
    for field in fields(item):
        if field.type == "int" and type(getattr(item, field.name)) is not int:
            return field.name
    return ""


def _verdicts(_resource: Resource, data: ResourceInput, ruled: Ruled) -> Wrong:
    asked = [item.identity for item in data.statements]
    judged = [verdict.identity for verdict in ruled.verified.verdicts]
    if len(set(judged)) != len(judged):
        yield Rule.VERDICTS, "a statement got a second verdict"
    missing, alien = len(set(asked) - set(judged)), len(set(judged) - set(asked))
    if missing:
        yield Rule.VERDICTS, f"{missing} statements got no verdict"
    if alien:
        yield Rule.VERDICTS, f"{alien} verdicts are of statements that were not there"
    for verdict in ruled.verified.verdicts:
        if (verdict.outcome is Outcome.REJECTED) is not bool(verdict.reason):
            yield Rule.VERDICTS, f"{verdict.outcome} with reason {str(verdict.reason)!r}"
            break


def _declared(resource: Resource, _data: ResourceInput, ruled: Ruled) -> Wrong:
    intervals = (*ruled.verified.intervals, *ruled.traded.intervals)
    used = {str(v.reason) for v in ruled.verified.verdicts if v.reason}
    used |= {str(item.reason) for item in intervals}
    for reason in sorted(used - {str(code) for code in resource.reasons}):
        yield Rule.DECLARED, f"reason {reason!r} is not declared"
    purposes = {str(payment.purpose) for payment in ruled.traded.payments}
    for purpose in sorted(purposes - {str(code) for code in resource.purposes}):
        yield Rule.DECLARED, f"purpose {purpose!r} is not declared"


def _credits(_resource: Resource, data: ResourceInput, ruled: Ruled) -> Wrong:
    seen = set()
    for credit in ruled.verified.credits:
        where = (credit.device, credit.start_s, credit.side)
        if where in seen:
            yield Rule.CREDITS, f"device {credit.device} is credited twice at {credit.start_s}"
        seen.add(where)
        if credit.quantity <= 0:
            yield Rule.CREDITS, f"a credit of {credit.quantity}"
        if data.accounts.get(credit.device) != credit.account or credit.device not in data.devices:
            yield Rule.CREDITS, f"device {credit.device} does not count for the account credited"
    for work in ruled.traded.work:
        for message in _work(data, work):
            yield Rule.CREDITS, message
    for payment in ruled.traded.payments:
        if payment.device and data.accounts.get(payment.device) != payment.payee:
            yield Rule.CREDITS, f"a payment for device {payment.device} goes to another account"
    for interval in (*ruled.verified.intervals, *ruled.traded.intervals):
        if interval.length_s < 0 or not 0 <= interval.credited <= interval.claimed:
            yield Rule.CREDITS, f"an interval of device {interval.device} credits beyond its claim"
            break


def _work(data: ResourceInput, work: Work) -> Iterator[str]:
    if data.accounts.get(work.device) != work.account or work.device not in data.devices:
        yield f"work of device {work.device} is not of the account behind it"
    if work.quantity < 0 or work.ceiling_wei < 0:
        yield f"work of device {work.device} is negative"
    if not 0 <= work.quality_ppm <= PPM or not 0 <= work.density_ppm <= PPM:
        yield f"work of device {work.device}: quality and density lie in 0..1,000,000 ppm"


def _budgets(_resource: Resource, data: ResourceInput, ruled: Ruled) -> Wrong:
    spent: defaultdict[bytes, int] = defaultdict(int)
    for payment in ruled.traded.payments:
        if payment.amount <= 0:
            yield Rule.BUDGETS, f"a payment of {payment.amount}"
        if not _accounts(payment):
            yield Rule.BUDGETS, "payer and payee are accounts of 20 bytes"
        spent[payment.payer] += payment.amount
    for payer, amount in sorted(spent.items()):
        if amount > data.budgets.get(payer, 0):
            message = f"{amount} is spent where {data.budgets.get(payer, 0)} is free"
            yield Rule.BUDGETS, message


def _accounts(payment: Payment) -> bool:
    return all(
        isinstance(account, bytes) and len(account) == 20
        for account in (payment.payer, payment.payee)
    )
