"""The response to a probe that reaches the webhook, and the messages of a probe without faults."""

from aiohttp import web

from app.domain.self_probe import ReplicaFaults
from tests.kubernetes.fake_api_server import Answer
from tests.kubernetes.webhook_configurations import PODS, PROBE

NO_FAULT_MESSAGES = [
    f"the rules and selectors of {PODS} are as the release rendered them",
    f"{PODS} and {PROBE} have the same service and caBundle",
    "the webhook mutated the dry-run ConfigMap",
]


def patches_config_map(
    annotation: str = "job-profiler.liqo.io/probe-answer", faults: ReplicaFaults | None = None
) -> Answer:
    """The created ConfigMap with the webhook's patch: the question is repeated in *annotation*."""

    async def create(request: web.Request) -> web.StreamResponse:
        created = await request.json()
        annotations = created["metadata"]["annotations"]
        annotations[annotation] = annotations["job-profiler.liqo.io/probe-question"]
        if faults:
            annotations["job-profiler.liqo.io/probe-faults"] = faults.to_annotation()
        return web.json_response(created, status=201)

    return create
