"""VerticalPodAutoscalers: the recommender of their statuses, and the objects that the leader keeps itself."""

from pydantic import BaseModel, Field


class VpaSettings(BaseModel):
    """What the leader writes of VerticalPodAutoscalers: statuses and objects, and at which rate."""

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
    vpa_objects_enabled: bool = Field(
        False,
        description="Whether the leader keeps a VerticalPodAutoscaler for each workload whose namespace or"
        " Pod template asks for it by the label job-profiler.liqo.io/vpa, with VPA_RECOMMENDER_ENABLED",
    )
    vpa_write_rate: float = Field(
        20,
        gt=0,
        le=1000,
        description="Maximum VerticalPodAutoscalers and statuses written per second",
    )
