"""States of two signals in a status report: CPU with samples, and no service mesh."""

NO_MESH = "Prometheus holds no metrics that count connections: CPU and memory profiles only"
SIGNALS = [
    {
        "signal": "cpu",
        "state": "Ok",
        "reason": "Answered",
        "message": "",
        "since": "2026-03-04T11:00:00Z",
    },
    {
        "signal": "connections",
        "state": "Absent",
        "reason": "NoMesh",
        "message": NO_MESH,
        "since": "2026-03-04T11:00:00Z",
    },
]
