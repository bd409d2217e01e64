"""`hive-ml tickets index`: the indexes that reads and writes of MongoDB rely on."""

from contextlib import closing

import click

from neural_hive_ml.bootstrap import describe, open_state, open_tickets
from neural_hive_ml.conventions import EXIT_FAILURE, EXIT_OK
from neural_hive_ml.settings import load_settings


@click.command("index")
@click.option("--check", is_flag=True, help="Create nothing; exit 1 when an index is missing.")
def index_command(check: bool) -> int:
    """Create the indexes that are missing, of the tickets and of the operational state; does nothing where none is.

    MongoDB builds an index while others read and write. Embedded stores and ClickHouse need none of this.

    \b
    Examples:
      hive-ml tickets index
      hive-ml tickets index --check
    """
    from neural_hive_ml.state.mongo import MongoStateStore
    from neural_hive_ml.tickets.mongo import MongoTicketStore

    settings = load_settings()
    click.echo(describe(settings), err=True)
    with closing(open_tickets(settings)) as tickets, closing(open_state(settings)) as state:
        indexed = [store for store in (tickets, state) if isinstance(store, MongoTicketStore | MongoStateStore)]
        if not indexed:
            click.echo(f"{tickets.describe()}: keeps its own order, no index is needed")
            return EXIT_OK
        missing = [index for store in indexed for index in store.missing_indexes()]
        if missing and not check:
            for store in indexed:
                store.create_indexes()
    if not missing:
        click.echo("all indexes are there")
        return EXIT_OK
    click.echo(f"{'missing' if check else 'created'}: {', '.join(missing)}")
    return EXIT_FAILURE if check else EXIT_OK
