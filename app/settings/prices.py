"""Prices of requested CPU and memory."""

from pydantic import BaseModel, Field


class PriceSettings(BaseModel):
    """What a core and a GiB cost for a month, in any currency; without a price no money is shown."""

    cpu_price: float = Field(0, ge=0, description="Price of one core for a month; 0 means not given")
    memory_price: float = Field(0, ge=0, description="Price of one GiB for a month; 0 means not given")
