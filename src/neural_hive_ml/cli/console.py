"""`hive-ml console`: a read-only page of models, live quality, drift, objectives and retraining."""

import click

from neural_hive_ml.conventions import PORTS
from neural_hive_ml.settings import load_settings


@click.command("console")
@click.option("--port", type=click.IntRange(0, 65535), help="Port to listen on; default 8090.")
@click.option("--host", help="Address to listen on; default HIVE_HOST.")
@click.option("--prometheus", "url", help="Prometheus to ask; default PROMETHEUS_URL.")
def console_command(port: int | None, host: str | None, url: str | None) -> None:
    """Serve the console until a signal ends it.

    Models, live quality, drift and retraining come from the stores; objectives and dashboards from Prometheus.

    \b
    Example:
      hive-ml console
      curl -s localhost:8090/api/v1/console/stores
    """
    from neural_hive_ml.bootstrap import describe
    from neural_hive_ml.bootstrap_console import console
    from neural_hive_ml.observability.logs import setup_logs
    from neural_hive_ml.serving.run import check_exposure, run_app

    settings = load_settings()
    address, number = host or settings.text("HIVE_HOST"), PORTS["console"] if port is None else port
    setup_logs("console", level=settings.text("HIVE_LOG_LEVEL"), log_format=settings.text("HIVE_LOG_FORMAT"))
    check_exposure(address, protected=bool(settings.text("HIVE_API_KEYS")))
    click.echo(f"console on http://{address}:{number} | {describe(settings)}", err=True)
    run_app(console(settings, url or settings.text("PROMETHEUS_URL")).app(), address, number)
