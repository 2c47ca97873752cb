"""Lines of `job-profiler status` on what metrics claim and the profiler does not use."""

from app.command_line.status_findings import finding_lines


def test_each_finding_has_a_line() -> None:
    """Two scrape jobs, an object with many owners, dropped edges, and all that was not kept."""
    report = {
        "containerJobs": ["kubelet", "tenants"],
        "namespacesAskingForRequests": ["lab", "shop"],
        "recognizedClusters": ["containers: cluster=prod of edge, prod"],
        "distrustedOwners": ["monitoring/kube-state-metrics-0"],
        "droppedEdges": {"OtherReporter": ["evil", "lab"]},
        "absurdNeeds": {"emojivoto/voting": "AbsurdNeed: cpu of 1047.000 cores"},
        "forgottenUsage": ["evil"],
        "refusedWrites": 3000,
        "ignoredObjects": {"total": 2, "names": ["cpuprofiles/backup", "memoryprofiles/copy"]},
    }

    jobs, unheard, clusters, owners, edges, need, forgotten, refused, ignored = finding_lines(report)

    assert "more than one scrape job: kubelet, tenants" in jobs
    assert "CONTAINER_METRICS_MATCHER" in jobs
    assert unheard == (
        "Scheduling is off, and these namespaces ask for requests: lab, shop. Set scheduling.enabled=true in"
        " the chart (OPERATING_MODE=PROFILING_SCHEDULING), or remove the label"
        " job-profiler.liqo.io/scheduling"
    )
    assert clusters.endswith("of this one count, known by its Pods: containers: cluster=prod of edge, prod")
    assert "monitoring/kube-state-metrics-0" in owners
    assert "honorLabels" in owners
    assert edges.startswith("Edges left out (OtherReporter: ")
    assert edges.endswith("declared by: evil, lab")
    assert need == "Not published for emojivoto/voting: AbsurdNeed: cpu of 1047.000 cores"
    assert "MAX_HISTORY_SIZE" in forgotten
    assert forgotten.endswith(": evil")
    assert "3000 profiles" in refused
    assert ignored.startswith("Ignored: 2 objects, such as cpuprofiles/backup, memoryprofiles/copy. ")


def test_wrong_annotations_have_a_line_for_each_object() -> None:
    """Of 7 workloads and namespaces two are listed."""
    faults = {
        "Namespace/shop/shop": "maxmemory of the namespace is not known: did you mean max-memory?",
        "StatefulSet/shop/db": "off of the workload is 'yes': use true or false",
    }

    assert list(finding_lines({"policyFaults": faults, "policyFaultsTotal": 7})) == [
        f"Annotations without effect on namespace shop: {faults['Namespace/shop/shop']}",
        "Annotations without effect on StatefulSet/shop/db: off of the workload is 'yes': use true or false",
        "Annotations without effect on 5 more workloads and namespaces",
    ]


def test_a_report_of_an_older_release_has_none() -> None:
    """It has none of the keys; one scrape job alone is no finding."""
    assert list(finding_lines({})) == []
    assert list(finding_lines({"containerJobs": ["kubelet"]})) == []
