"""`hive-ml train` and the guide's `train_predictive_models.py`: one command, the guide's flags and ours."""

import json
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from typing import get_args

import click
from rich.console import Console

from neural_hive_ml.automation import announce, by_hand, scheduled
from neural_hive_ml.bootstrap import describe, open_workspace
from neural_hive_ml.cli.moments import resolve_as_of
from neural_hive_ml.cli.training_report import exit_code, print_report, to_json
from neural_hive_ml.cli.tuning import parse_budget, tuner_of
from neural_hive_ml.conventions import ALGORITHMS, FAMILIES, TRAINING_ACTOR, Family
from neural_hive_ml.errors import UsageError
from neural_hive_ml.flow import ModelResult, Rules, Workspace, train
from neural_hive_ml.rollout.start import MODES, Mode
from neural_hive_ml.settings import load_settings
from neural_hive_ml.training.families import space_of
from neural_hive_ml.training.request import TrainingRequest, TuningBudget, requests_for
from neural_hive_ml.training.search import Value, parse_parameters
from neural_hive_ml.training.tuning import Tuner

# The order of the guide's table: the detector first, it is what the platform waits for.
ORDER: tuple[Family, ...] = FAMILIES
# The guide's choice names it; nothing here trains it, and the command says so instead of training something else.
ARIMA = "arima"
DATA_SOURCES = ("auto", "embedded", "mongodb", "clickhouse")


@click.command("train")
@click.option("--model-type", type=click.Choice([*get_args(Family), "all"]), default="all", show_default=True)
@click.option(
    "--training-window-days",
    type=click.IntRange(1, 3650),
    default=540,
    show_default=True,
    help="Days of tickets before --as-of to learn from.",
)
@click.option(
    "--model-algorithm",
    type=click.Choice(sorted({ARIMA, *(a for group in ALGORITHMS.values() for a in group)})),
    help="Override the family's default (isolation_forest, prophet, xgboost). With `all` it goes to "
    "the family that knows it.",
)
@click.option("--hyperparameter-tuning", is_flag=True, help="Search hyperparameters, nested in time, seeded.")
@click.option(
    "--tuning-budget",
    default="30s",
    show_default=True,
    metavar="N or Ns",
    help="Trials (60) or seconds (30s) a model.",
)
@click.option(
    "--engine",
    default="processes",
    show_default=True,
    metavar="WHERE",
    help="Where trials run: local, processes, processes:N, or dask://HOST:PORT (extra dask).",
)
@click.option(
    "--parameter",
    "parameters",
    multiple=True,
    metavar="NAME=VALUE",
    help="A hyperparameter of the one --model-type, instead of its default or a search.",
)
@click.option("--promote-if-better", is_flag=True, help="Make a winner the champion (stage Production).")
@click.option(
    "--rollout",
    type=click.Choice(MODES),
    help="With --promote-if-better, as a job: direct, shadow first, or auto (shadow where services answer). Default: "
    "direct, as a person's decision.",
)
@click.option(
    "--allow-below-floor",
    is_flag=True,
    help="Promote although an absolute floor is missed; recorded in the ledger.",
)
@click.option(
    "--min-samples", type=click.IntRange(1), default=1000, show_default=True, help="Fewest tickets to learn from."
)
@click.option(
    "--as-of",
    default="auto",
    show_default=True,
    metavar="MOMENT",
    help="now, newest (ticket), ISO 8601 or epoch ms; auto is now, or newest where the store holds an old log.",
)
@click.option("--seed", type=int, default=42, show_default=True)
@click.option(
    "--floor-profile", type=click.Choice(["guide", "relative"]), help="Floors to judge by; default FLOOR_PROFILE."
)
@click.option(
    "--data-source",
    type=click.Choice(DATA_SOURCES),
    default="auto",
    show_default=True,
    help="Where tickets are read; auto follows MONGODB_URI and CLICKHOUSE_HOST.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout, progress on stderr.")
def train_command(
    model_type: str,
    training_window_days: int,
    model_algorithm: str | None,
    hyperparameter_tuning: bool,
    tuning_budget: str,
    engine: str,
    parameters: tuple[str, ...],
    promote_if_better: bool,
    rollout: Mode | None,
    allow_below_floor: bool,
    min_samples: int,
    as_of: str,
    seed: int,
    floor_profile: str | None,
    data_source: str,
    as_json: bool,
) -> int:
    """Train, judge, register and (with --promote-if-better) promote the predictive models.

    \b
    Exit codes: 0 all asked-for models trained and judged, 2 bad usage, 3 not enough data,
    4 a store or registry unreachable, 1 anything else. One failing model never stops the others.

    \b
    Examples:
      python train_predictive_models.py --model-type anomaly --promote-if-better --training-window-days 90
      python train_predictive_models.py --model-type all --hyperparameter-tuning --promote-if-better
    """
    settings = load_settings()
    console = Console(stderr=True, highlight=False)
    console.print(describe(settings))
    rules = Rules(
        floor_profile=floor_profile or settings.text("FLOOR_PROFILE"),
        promote_if_better=promote_if_better,
        allow_below_floor=allow_below_floor,
        allow_synthetic=settings.flag("ALLOW_SYNTHETIC_FALLBACK"),
        actor="operator" if rollout is None else TRAINING_ACTOR,
        rollout=rollout or "direct",
    )
    families = _families(model_type, model_algorithm)
    tuning = parse_budget(tuning_budget) if hyperparameter_tuning else None
    chosen = _parameters(families, parameters, tuning)
    with open_workspace(settings, data_source=data_source) as workspace:
        as_of_ms, sentence = resolve_as_of(as_of, workspace.tickets, settings)
        console.print(sentence)
        requests = requests_for(
            families,
            as_of_ms=as_of_ms,
            window_days=training_window_days,
            min_samples=min_samples,
            seed=seed,
            algorithm=model_algorithm,
            tuning=tuning,
            timezone=settings.text("CALENDAR_TIMEZONE"),
            parameters=chosen,
            holidays=settings.text("LOAD_HOLIDAYS_COUNTRY"),
            most_tickets=settings.integer("TRAINING_MOST_TICKETS"),
        )
        with tuner_of(engine, settings.data_dir, console) if tuning else nullcontext() as tuner:
            memory_mib = settings.number("RETRAINING_MEMORY_MIB")
            results = _train(
                requests, workspace, rules, lambda line: console.print(f"  {line}"), tuner, rollout, memory_mib
            )
        announce(settings, workspace)
    if as_json:
        click.echo(json.dumps(to_json(results), indent=2))
    else:
        print_report(results, Console())
    return exit_code(results)


def _train(
    requests: Sequence[TrainingRequest],
    workspace: Workspace,
    rules: Rules,
    progress: Callable[[str], None],
    tuner: Tuner | None,
    rollout: Mode | None,
    memory_mib: float,
) -> tuple[ModelResult, ...]:
    """Train as a person does, or (with a way to go live) as a job does: one at a time, claimed, within a pause's bounds."""
    if rollout is None:
        return train(requests, workspace, rules, progress, tuner, by_hand(workspace, rules.actor, progress))
    with scheduled(workspace, memory_mib) as attend:
        return train(requests, workspace, rules, progress, tuner, attend)


def _families(model_type: str, algorithm: str | None) -> tuple[Family, ...]:
    families = tuple(f for f in ORDER if model_type in {f, "all"})
    if algorithm == ARIMA:
        raise UsageError(
            "--model-algorithm arima: no ARIMA is trained; its additive kinds without a long memory are exponential "
            "smoothing, and forecasts of load need two seasons",
            remedy="--model-type load --model-algorithm ets, or none: the backtest chooses",
        )
    if algorithm is not None and not any(algorithm in ALGORITHMS[f] for f in families):
        known = ", ".join(ALGORITHMS[families[0]])
        raise UsageError(
            f"--model-algorithm {algorithm} is not a {model_type} algorithm", remedy=f"choose one of {known}"
        )
    return families


def _parameters(
    families: tuple[Family, ...], pairs: tuple[str, ...], tuning: TuningBudget | None
) -> tuple[tuple[str, Value], ...]:
    if not pairs:
        return ()
    if tuning is not None or len(families) != 1:
        raise UsageError(
            "--parameter is for one --model-type, without --hyperparameter-tuning", remedy="leave one of them out"
        )
    return parse_parameters(pairs, space_of(families[0]))
