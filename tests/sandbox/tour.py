"""What the sandbox prints: its addresses, and five things to try."""

from dataclasses import dataclass
from pathlib import Path

WIDTH = 80


@dataclass(frozen=True)
class Stop:
    """One thing to try: a question, and the commands that answer it, in this order."""

    question: str
    commands: tuple[str, ...]


TOUR = (
    Stop(
        "Which workloads waste most, what would change, and which calls which?",
        (
            "job-profiler savings -n emojivoto",
            "job-profiler plan -n emojivoto",
            "job-profiler connections emojivoto/web",
        ),
    ),
    Stop(
        "Does a new Pod name its profiles?",
        (
            "kubectl scale deployment web --replicas=3 -n emojivoto",
            "kubectl rollout status deployment web -n emojivoto",
            "kubectl get pods -l app=web -n emojivoto -o yaml | grep liqo.io",
        ),
    ),
    Stop(
        "Is the webhook working?",
        ("helm test job-profiler -n profiling --logs", "job-profiler status"),
    ),
    Stop(
        "Which requests would new Pods get? So far web has 250m and 256Mi, by guess.",
        (
            "kubectl label namespace emojivoto job-profiler.liqo.io/scheduling=true",
            """helm upgrade job-profiler $CHART -n profiling --reuse-values \\
  --set scheduling.enabled=true --wait --hide-notes""",
            "kubectl get pods -n profiling",
            "kubectl rollout restart deployment web -n emojivoto",
            "kubectl rollout status deployment web -n emojivoto",
            """kubectl get pods -l app=web -n emojivoto -o custom-columns=\\
POD:.metadata.name,CPU:.spec..requests.cpu,MEMORY:.spec..requests.memory""",
        ),
    ),
    Stop(
        "What happens if the leader goes?",
        (
            "job-profiler status | grep Leader",
            """kubectl delete pod -n profiling $(kubectl get lease job-profiler \\
  -n profiling -o jsonpath={.spec.holderIdentity})""",
            "sleep 10; job-profiler status | grep Leader",
        ),
    ),
)


def addresses(version: str, urls: dict[str, str], activate: Path) -> str:
    """The first part: what runs, and how a shell uses it."""
    width = max(map(len, urls))
    lines = "\n".join(f"  {name:<{width}}  {url}" for name, url in urls.items())
    return f"""\
The sandbox is up: Kubernetes {version}, a Prometheus with a week of emojivoto,
and the product. Its Pods are processes; all other Pods run without containers.

{lines}

Another terminal gets kubectl, helm and job-profiler of the sandbox by

  . {activate}
"""


def tour(stops: tuple[Stop, ...] = TOUR) -> str:
    """The second part: each question with its commands."""
    return "\n".join(
        f"{number}. {stop.question}\n" + "".join(f"{_indented(command)}\n" for command in stop.commands)
        for number, stop in enumerate(stops, start=1)
    )


def _indented(command: str) -> str:
    return "\n".join(f"   {line}" for line in command.splitlines())
