"""A release with two replicas of each Deployment; a TCP forwarder stands in for the webhook's Service."""

from itertools import count
from typing import Any

from tests.cluster.processes import free_ports
from tests.cluster.service_forwarder import Endpoint, ServiceForwarder
from tests.cluster.waiting import wait_until
from tests.e2e.product import ProductProcess
from tests.e2e.release import NAME, Release

REPLICAS = 2
TAKE_OVER_SECONDS = 20


class ReplicatedRelease(Release):
    """A release whose replicas are added by `add` and removed by `retire` and `kill`.

    `processes` holds the running replicas by name.
    """

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.service = ServiceForwarder(self.webhook_port)
        self.ended: list[ProductProcess] = []
        self._numbers = count()

    def start(self) -> None:
        """Starts the profilers first: a webhook is ready only with the certificate that they issue."""
        self.processes = {}
        self.service.__enter__()
        for component in ("profiler", "webhook"):
            for _ in range(REPLICAS):
                self.add(component)

    def stop(self) -> None:
        """Kills every process and stops the forwarder."""
        for replica in self.processes.values():
            replica.kill()
        self.service.__exit__(None, None, None)

    def add(self, component: str) -> ProductProcess:
        """Starts another replica and waits until it is ready; a webhook then receives connections."""
        number = next(self._numbers)
        [port] = free_ports(1)
        replica = self.replica(component, number, {"WEBHOOK_PORT": str(port)})
        self.processes[replica.name] = replica
        replica.start()
        if component == "webhook":
            self.service.add(Endpoint(replica.name, port, f"{replica.health_url}/readyz"))
            self.service.until_ready(*self.names("webhook"))
        return replica

    def retire(self, name: str) -> None:
        """Sends SIGTERM to the replica, as a roll-out does, and waits for the exit."""
        self.processes[name].stop()
        self._forget(name)

    def kill(self, name: str) -> None:
        """Sends SIGKILL to the replica."""
        self.processes[name].kill()
        self._forget(name)

    def names(self, component: str) -> list[str]:
        """The names of the running replicas of *component*."""
        return [name for name in self.processes if name.startswith(f"{NAME}-{component}-")]

    @property
    def leader(self) -> str:
        """The holder of the Lease; empty if there is none."""
        lease = self.kubectl.api.get("leases", NAME, self.namespace)
        return str(lease["spec"].get("holderIdentity") or "")

    def until_led(self) -> str:
        """Waits until a running profiler leads; returns its name."""
        return wait_until(
            lambda: {self.leader} & set(self.names("profiler")), TAKE_OVER_SECONDS, "a leader that runs"
        ).pop()

    def logged(self, text: str) -> int:
        """How often all replicas, stopped ones included, logged *text*."""
        return sum(replica.log.count(text) for replica in (*self.ended, *self.processes.values()))

    def _forget(self, name: str) -> None:
        self.ended.append(self.processes.pop(name))
        self.service.remove(name)
