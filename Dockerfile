# The program and its locked dependencies in a virtual environment of its own, without pip.
FROM python:3.11-slim AS build
# requirements-aws.lock adds what signs requests to Amazon's Prometheus.
ARG REQUIREMENTS=requirements.lock
ENV PIP_NO_CACHE_DIR=1 \
    PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_ROOT_USER_ACTION=ignore
RUN python -m venv --without-pip /opt/job-profiler
WORKDIR /source
COPY requirements.lock requirements-aws.lock requirements-build.lock ./
RUN pip install --require-hashes --requirement requirements-build.lock \
    && pip --python /opt/job-profiler/bin/python install --require-hashes --requirement "$REQUIREMENTS"
COPY pyproject.toml README.md LICENSE ./
COPY app app
RUN pip wheel --no-deps --no-build-isolation --wheel-dir /wheels . \
    && pip --python /opt/job-profiler/bin/python install --no-deps /wheels/*.whl

FROM python:3.11-slim
LABEL org.opencontainers.image.title="job-profiler" \
      org.opencontainers.image.description="Learns the CPU, memory and connections of every workload, and annotates its Pods with the profiles." \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /opt/job-profiler /opt/job-profiler
# Large arrays go back to the system when they are freed: a cycle needs many of them for a moment. What TLS needs
# with each review (256 KiB) does not: to fetch it anew would take a fifth of the review's time.
ENV PATH=/opt/job-profiler/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    MALLOC_ARENA_MAX=2 \
    MALLOC_MMAP_THRESHOLD_=1048576 \
    MALLOC_TRIM_THRESHOLD_=4194304
# 10250: webhook (HTTPS); 8080: /livez, /readyz and /metrics
EXPOSE 10250 8080
# As a number, so that the kubelet can tell that it is not root.
USER 65532:65532
ENTRYPOINT ["job-profiler"]
CMD ["serve"]
