"""A challenger that misbehaves live, past a gate that could not see it, harms nobody from shadow and few from the throne."""

from pathlib import Path

from benchmarks.rollout import in_shadow, live_at_once, world_in

from neural_hive_ml.conventions import CHALLENGER, CHAMPION
from neural_hive_ml.registry.alias_record import read_record


def test_a_flooding_detector_is_aborted_from_shadow_and_rolled_back_from_live(tmp_path: Path) -> None:
    """All ways to be worse, with times, are in `python -m benchmarks.rollout`."""
    with world_in(tmp_path) as world:
        shadowed = in_shadow(world, "flood")
        assert (shadowed.decision, shadowed.affected) == ("abort", 0), shadowed
        assert world.registry.resolve(world.name, CHALLENGER) is None
        (direct,) = live_at_once(world, "flood")
        assert direct.decision == "rollback", direct
        assert 0 < direct.affected <= 200, direct
        held = world.registry.resolve(world.name, CHAMPION)
        assert held is not None
        assert held.version == 1
        answered = dict(world.answered)
        world.ask()
        assert world.answered[1] > answered[1], "the sound version answers again"
        assert read_record(world.state, world.name).previous == 3
        kinds = [event.kind for event in world.desk.ledger.about(world.name)]
        # A decision is on record before it is carried out.
        assert kinds == ["decision", "alias", "decision", "rollback"]
