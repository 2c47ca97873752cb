# The Python image of both stages. A release pins it by digest: --build-arg BASE=python:3.11-slim@sha256:...
ARG BASE=python:3.11-slim

# The program and its locked dependencies in a virtual environment of its own, without pip.
FROM ${BASE} AS build
# requirements-aws.lock adds what signs requests to Amazon's Prometheus.
ARG REQUIREMENTS=requirements.lock
ENV PIP_NO_CACHE_DIR=1 \
    PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_ROOT_USER_ACTION=ignore
# For `strip`; of the build stage only, so that any version serves.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends binutils \
    && rm -rf /var/lib/apt/lists/*
RUN python -m venv --without-pip /opt/job-profiler
WORKDIR /source
COPY requirements.lock requirements-aws.lock requirements-build.lock ./
RUN pip install --require-hashes --requirement requirements-build.lock \
    && pip --python /opt/job-profiler/bin/python install --no-compile --require-hashes \
      --requirement "$REQUIREMENTS"
COPY pyproject.toml README.md LICENSE ./
COPY app app
RUN pip wheel --no-deps --no-build-isolation --wheel-dir /wheels . \
    && pip --python /opt/job-profiler/bin/python install --no-compile --no-deps /wheels/*.whl

# What the program does not use is left out. tests/image runs the program, its unit tests and real admission reviews on
# what remains, and prints its size.
WORKDIR /opt/job-profiler/lib/python3.11/site-packages
RUN \
# 25 MB: classes of the client library; app/kubernetes/client_library.py puts empty modules in their place.
    rm -r kubernetes_asyncio/client/api kubernetes_asyncio/client/models \
# 24 MB: debug symbols; what the linker needs stays. Libraries in *.libs were edited after they were linked, and the
# loader refuses them once they are stripped.
    && find . -name '*.so' ! -path './*.libs/*' -exec strip --strip-debug {} + \
# 11 MB: tests of the dependencies, type stubs and sources of compiled modules, none of which is imported.
    && find . -type d -name tests -prune -exec rm -r {} + \
    && find . -type f \( -name '*.pyi' -o -name '*.pyx' -o -name '*.pxd' -o -name '*.h' -o -name '*.a' \) -delete \
# 4 MB: languages for syntax highlighting, but for plain text and Python, in which the command line shows a traceback,
# and diff, which pytest needs for the unit tests in the image.
    && find pygments/lexers -name '*.py' ! -name __init__.py ! -name _mapping.py ! -name python.py ! -name special.py \
      ! -name diff.py -delete
# Bytecode of the modules that the program imports, and of no others: a module without it is compiled at every start,
# since the file system is read-only. It names no time of its source, which COPY changes; -f replaces what pip compiled.
# The extra `dashboard` is for people's machines: the image has none of its packages.
RUN /opt/job-profiler/bin/python -B -c "\
import sys; \
from importlib import import_module; \
from pkgutil import walk_packages; \
import app; \
names = (module.name for module in walk_packages(app.__path__, 'app.')); \
[import_module(name) for name in names if 'dashboard' not in name and name != 'app.command_line.report']; \
files = {getattr(module, '__file__', None) or '' for module in [*sys.modules.values()]}; \
print(*sorted(file for file in files if file.startswith(sys.prefix) and file.endswith('.py')), sep='\n')" > /imported \
    && /opt/job-profiler/bin/python -m compileall -q -f --invalidation-mode unchecked-hash -i /imported

FROM ${BASE}
ARG BASE
LABEL org.opencontainers.image.title="job-profiler" \
      org.opencontainers.image.description="Learns the CPU, memory and connections of every workload, and annotates its Pods with the profiles." \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.base.name="${BASE}"
COPY --from=build /opt/job-profiler /opt/job-profiler
# Large arrays go back to the system when they are freed: a cycle needs many of them for a moment. What TLS needs
# with each review (256 KiB) does not: to fetch it anew would take a fifth of the review's time.
# HOME: the client library asks for it, and /etc/passwd has no entry for the user.
ENV PATH=/opt/job-profiler/bin:$PATH \
    HOME=/nonexistent \
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
