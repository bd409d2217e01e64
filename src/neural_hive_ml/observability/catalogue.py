"""Every metric this system exports, spelled once. Collectors, rules, dashboards, docs and tests read this table.

The first four families are the guide's. The platform's older names are aliases, made when metrics are read, so
that they cost nothing while a prediction is made and can be switched off (HIVE_METRIC_ALIASES=false).
"""

from typing import Final

from neural_hive_ml.observability.catalogue_records import DRIFT_AND_JOBS, FEEDBACK
from neural_hive_ml.observability.catalogue_serving import GUIDE, INPUT, MODELS, SERVING
from neural_hive_ml.observability.metric_spec import MetricSpec, Service, sample_names

CATALOGUE: Final[tuple[MetricSpec, ...]] = (*GUIDE, *SERVING, *MODELS, *INPUT, *FEEDBACK, *DRIFT_AND_JOBS)
BY_NAME: Final = {spec.name: spec for spec in CATALOGUE}


def exported_by(service: Service) -> tuple[MetricSpec, ...]:
    """Return the families a service exports, in catalogue order."""
    return tuple(spec for spec in CATALOGUE if service in spec.owners)


def selectable_names(*, aliases: bool = True) -> frozenset[str]:
    """Return every sample name that a query may use."""
    names = {name for spec in CATALOGUE for name in spec.sample_names}
    if aliases:
        names |= {n for spec in CATALOGUE for alias in spec.aliases for n in sample_names(alias.name, spec.kind)}
    return frozenset(names)
