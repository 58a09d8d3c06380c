"""Governed parameters as they are answered and shown."""

from __future__ import annotations

from pydantic import Field

from commonworks.explorer.web.model import Amount, Hash, Model, Party, Time
from commonworks.explorer.web.pagination import Page


class ParameterValue(Model):
    """A parameter's value, for programs and for people."""

    value: Amount = Field(description="As the chain has it, in the parameter's unit.")
    text: str = Field(description="In units that people use, in the reader's language.")
    account: Party | None = Field(description="The account that it means; null for other units.")


class ComingValue(Model):
    """A value that is decided and waits for its epoch."""

    value: ParameterValue
    from_epoch: int = Field(description="First epoch in which it holds.")


class ParameterBrief(Model):
    """One parameter as it is now."""

    key: str
    resource: str | None = Field(description="The resource that it belongs to; null: the kernel.")
    unit: str = Field(description="Unit of the values; empty where this release does not know it.")
    known: bool = Field(description="Whether this release knows what it is for.")
    description: str = Field(description="What changes when this number does.")
    value: ParameterValue | None = Field(description="In force now; null: not yet in force.")
    minimum: ParameterValue
    maximum: ParameterValue
    bounded: bool = Field(description="False where any account or hash may be set.")
    coming: list[ComingValue] = Field(description="What it will be, where that is decided.")
    changes: int = Field(description="How often it was changed since it was defined.")


class ParameterChange(Model):
    """A value that a parameter was given."""

    number: int = Field(description="0: its definition.")
    value: ParameterValue
    from_epoch: int
    time: Time
    tx: Hash


class ParameterView(Model):
    """One parameter with its history."""

    parameter: ParameterBrief
    epoch: int = Field(description="The epoch that is now.")
    history: Page[ParameterChange] = Field(description="Newest first.")
    command: str = Field(
        description="Command that proposes another value: VALUE as the chain keeps it."
    )
    example: str | None = Field(
        description="The same with the value in force; null before there is one."
    )
