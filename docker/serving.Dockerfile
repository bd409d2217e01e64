# The services: no trainer, no MLflow, no data frames. docker build -f docker/serving.Dockerfile -t ml-serving .
# BUILD_BASE may bring a compiler, PIP_FIND_LINKS and PIP_NO_INDEX packages: then the build needs no network.
ARG BASE=python:3.11.15-slim-bookworm
ARG BUILD_BASE=${BASE}

FROM ${BUILD_BASE} AS build
RUN command -v gcc > /dev/null \
    || (apt-get update \
        && apt-get install -y --no-install-recommends gcc=4:12.2.0-3 libc6-dev=2.36-9+deb12u* \
        && rm -rf /var/lib/apt/lists/*)
ARG PIP_FIND_LINKS
ARG PIP_NO_INDEX
WORKDIR /src
RUN python -m venv /app/.venv
COPY requirements-serving.lock ./
RUN /app/.venv/bin/pip install --no-cache-dir --require-hashes -r requirements-serving.lock
COPY pyproject.toml README.md LICENSE ./
COPY src ./src
# The compiled kernels are optional to the package, not to an image; pip is of no use to a service.
RUN /app/.venv/bin/pip install --no-cache-dir --no-deps . \
    && /app/.venv/bin/python -c "import neural_hive_ml._kernels" \
    && /app/.venv/bin/pip uninstall -y --quiet setuptools pip

FROM ${BASE}
RUN groupadd --gid 10001 hive \
    && useradd --uid 10001 --gid 10001 --no-create-home --shell /usr/sbin/nologin hive \
    && install -d -o hive -g hive /var/lib/neural-hive-ml
COPY --from=build /app /app
ENV PATH=/app/.venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    OMP_NUM_THREADS=1 \
    HIVE_PROFILE=platform \
    HIVE_DATA_DIR=/var/lib/neural-hive-ml
USER 10001:10001
ENTRYPOINT ["hive-ml"]
CMD ["serve", "guard-agents"]
