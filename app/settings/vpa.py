"""The recommender of VerticalPodAutoscalers."""

from pydantic import BaseModel, Field


class VpaSettings(BaseModel):
    """Whether the leader writes the status of VerticalPodAutoscalers, of which ones, and at which rate."""

    vpa_recommender_enabled: bool = Field(
        False,
        description="Whether the leader writes recommendations into the VerticalPodAutoscalers that name it",
    )
    vpa_recommender_name: str = Field(
        "job-profiler",
        min_length=1,
        max_length=253,
        description="The name in spec.recommenders of the VerticalPodAutoscalers that are served",
    )
    vpa_write_rate: float = Field(
        20, gt=0, le=1000, description="Maximum statuses of VerticalPodAutoscalers written per second"
    )
