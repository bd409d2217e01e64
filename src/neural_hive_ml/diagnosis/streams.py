"""Do the readers of the streams keep up, and was anything given up?"""

import asyncio
from collections.abc import Iterator

from neural_hive_ml.bootstrap_streams import ConsumedStream, consumed_streams, open_broker
from neural_hive_ml.diagnosis.check import Check
from neural_hive_ml.settings import Settings
from neural_hive_ml.streams.dead_letters import listed

# Messages waiting that are counted: more than a healthy reader ever leaves.
MOST_COUNTED = 1000


def check_streams(settings: Settings) -> Iterator[Check]:
    """Yield what each stream holds that its readers have not done, and what was given up."""
    broker = open_broker(settings)
    if broker is None:
        yield Check("streams", "not_configured", "optional: set REDIS_URL or KAFKA_BOOTSTRAP_SERVERS")
        return

    async def look() -> list[tuple[ConsumedStream, list[int], int]]:
        try:
            return [
                (
                    stream,
                    [len(await broker.browse(stream.topic, group, MOST_COUNTED)) for group in stream.groups],
                    len(await listed(broker, stream.topic, MOST_COUNTED)),
                )
                for stream in consumed_streams(settings)
            ]
        finally:
            await broker.close()

    for stream, waiting, dead in asyncio.run(look()):
        counts = [f"{_counted(n)} messages not done by {g}" for n, g in zip(waiting, stream.groups, strict=True)]
        behind = MOST_COUNTED in waiting
        yield Check(
            f"stream {stream.topic}",
            "warning" if behind else "ok",
            f"{broker.describe()}: {', '.join(counts)}",
            "look at guard-agents' log" if behind else "",
        )
        if dead:
            yield Check(
                "dead letters",
                "warning",
                f"{_counted(dead)} messages of {stream.topic}",
                f"hive-ml deadletters list --stream {stream.topic}",
            )


def _counted(messages: int) -> str:
    return f"{'at least ' * (messages == MOST_COUNTED)}{messages:,}"
