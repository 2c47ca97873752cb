"""Kubernetes Job Profiler: learns the CPU, memory and connections of every workload, and annotates its Pods.

Layers, from the top; a module imports only from the layers below (the contracts are in `pyproject.toml`):

    __main__, command_line   commands of `job-profiler`: serve, profile, status, doctor, backtest, demo ...
    demo                     the main job without a cluster: a recorded history, the real server, one Pod
    runtime                  composition only: builds the roles, their watches and their tasks
    dashboard                views of profiles as pages, and the server that shows them on this machine
    backtest                 replays sizing policies on past usage, records it, explains a value
    decisions                savings, plans and patches that follow from stored profiles (pure)
    diagnosis                what a Prometheus has for the profiler, what is missing, and what to do (pure)
    charts                   every chart as a Vega-Lite specification (pure); `render` draws SVG and PNG
    profiler                 the background role, leader only: cycles and back-fill
    webhook                  the admission role: review in, JSON patch out, from memory
    tls                      certificate authority, serving certificate, CA bundle
    kubernetes               the only package that talks to the API server
    sources                  the only package that talks to Prometheus or reads history files
    http_server              HTTP/1.1 listeners on uvicorn
    settings                 environment variables and flags, one module per concern
    outage_log, periodic     log lines of repeated attempts; back-off and schedules
    printable                text that controls no terminal (pure)
    proxies                  the forward proxy of a URL, by NO_PROXY and its kind (pure)
    fair_queue               sources served in rotation
    interrupts               Ctrl-C: exit code 130, or the end of an event loop
    small_files              tokens and certificates, of limited size
    lean_imports             libraries without what they load needlessly
    task_group               tasks that end together, with the error of the first that failed
    vpa                      VerticalPodAutoscalers: their status, and those that labels ask for (pure)
    recommendation           arithmetic: from the stored days to a value and its risk (pure numpy)
    history                  state: day histograms, coverage, edge rates, check-points (pure numpy)
    rightsizing              requests of a new Pod within the rules of its namespace (pure)
    domain                   workloads, profiles, annotations, names (pure data)
    version                  the version of the product
    errors                   exceptions that cross packages, one class per decision of a caller
"""
