"""The real process: exit code, both outputs, and log."""

import socket
from pathlib import Path

from tests.command_line.process import job_profiler


def closed_port() -> int:
    """A port of 127.0.0.1 without a listener."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def test_serve_reports_all_faults_before_anything_starts() -> None:
    """Two invalid variables and two invalid options give four lines, exit code 2, and no log."""
    run = job_profiler(
        "serve",
        *("--profiling-namespace", "Shop,web"),
        *("--lease-duration", "3"),
        PROMETHEUS_PORT="tcp://10.0.0.1:9090",
        TIMESLOTS="5",
    )

    assert (run.returncode, run.stdout) == (2, "")
    assert [line.split(":")[0] for line in run.stderr.splitlines()] == ["job-profiler"] * 4
    for fault in (
        "PROMETHEUS_PORT (--prometheus-port) is 'tcp://10.0.0.1:9090': use a port number",
        "TIMESLOTS (--timeslots) is '5': 5 does not divide 24: use 1, 2, 3, 4, 6, 8, 12 or 24",
        "PROFILING_NAMESPACE (--profiling-namespace) is 'Shop,web': not a valid namespace name",
        "LEASE_DURATION (--lease-duration) is '3': must be more than LEASE_RENEW_DEADLINE, which is 10",
    ):
        assert f"job-profiler: {fault}" in run.stderr


def test_profiles_of_a_history_file_are_the_only_output(tmp_path: Path) -> None:
    """Only the table is printed, without cut names and without log lines; a narrow terminal folds it."""
    run = job_profiler(
        "profile", "--history", "app/demo/emojivoto.npz", COLUMNS="40", KUBECONFIG=str(tmp_path / "none")
    )

    assert (run.returncode, run.stderr) == (0, "")
    assert "\nemojivoto/web\n" in run.stdout
    assert max(map(len, run.stdout.splitlines())) <= 40


def test_an_unreachable_prometheus_is_named() -> None:
    """Without a listener: exit code 1, a message with the URL for each signal, and no stack trace."""
    url = f"http://127.0.0.1:{closed_port()}"

    run = job_profiler("profile", "--history-days", "1", PROMETHEUS_URL=url)

    assert (run.returncode, run.stdout) == (1, "")
    for signal in ("cpu", "memory", "connections"):
        assert f"\n{signal}: {url} can't be reached: " in run.stderr
    assert run.stderr.splitlines()[-1] == "job-profiler: no profile could be computed: see the errors above"
    assert "Traceback" not in run.stderr


def test_a_garbage_kubeconfig_gets_one_sentence(tmp_path: Path) -> None:
    """The program itself as a kubeconfig: exit code 2 as for a wrong setting, one line, no stack trace."""
    garbage = tmp_path / "config"
    garbage.write_bytes(b"\x7fELF\x02\x01\x01\x00")

    for command in ("status", "probe"):
        run = job_profiler(command, KUBECONFIG=str(garbage))

        assert (run.returncode, run.stdout) == (2, "")
        [line] = run.stderr.splitlines()
        assert line.startswith(
            f"job-profiler: the kubeconfig {garbage} can't be used: {garbage}: it is no kubeconfig"
        )
        assert line.endswith("; set KUBECONFIG (--kubeconfig) to the path of a kubeconfig")


def test_a_socks_proxy_stops_only_commands_that_would_use_it() -> None:
    """`profile` names the variable and exits with 2; with NO_PROXY, or a history file, it has no effect."""
    socks = {"ALL_PROXY": "socks5://proxy.example:1080", "PROMETHEUS_URL": "prometheus.invalid"}

    refused = job_profiler("profile", **socks)
    direct = job_profiler("profile", **socks, NO_PROXY=".invalid", HISTORY_DAYS="1")
    of_file = job_profiler("profile", "--history", "app/demo/emojivoto.npz", **socks)

    assert refused.returncode == 2
    assert refused.stderr == (
        "job-profiler: ALL_PROXY is 'socks5://proxy.example:1080', for requests to"
        " http://prometheus.invalid:9090: SOCKS proxies are not supported: set it to an HTTP proxy,"
        " or name the host in NO_PROXY\n"
    )
    assert direct.returncode == 1
    assert "cpu: http://prometheus.invalid:9090 can't be reached: " in direct.stderr
    assert (of_file.returncode, of_file.stderr) == (0, "")
