# The jobs (training, drift) and MLflow itself. docker build -f docker/training.Dockerfile -t ml-training .
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
COPY requirements.lock ./
RUN /app/.venv/bin/pip install --no-cache-dir --require-hashes -r requirements.lock
COPY pyproject.toml README.md LICENSE ./
COPY src ./src
RUN /app/.venv/bin/pip install --no-cache-dir --no-deps . \
    && /app/.venv/bin/python -c "import neural_hive_ml._kernels"

FROM ${BASE}
RUN groupadd --gid 10001 hive \
    && useradd --uid 10001 --gid 10001 --no-create-home --shell /usr/sbin/nologin hive \
    && install -d -o hive -g hive /var/lib/neural-hive-ml /mlflow
COPY --from=build /app /app
COPY ml_pipelines /app/ml_pipelines
ENV PATH=/app/.venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    MPLCONFIGDIR=/tmp \
    OMP_NUM_THREADS=2 \
    HIVE_PROFILE=platform \
    HIVE_DATA_DIR=/var/lib/neural-hive-ml
USER 10001:10001
WORKDIR /app/ml_pipelines/training
CMD ["python", "drift_triggered_retraining.py"]
