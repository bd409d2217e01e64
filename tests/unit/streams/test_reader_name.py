"""A reader's successor has its name; readers beside each other never have."""

import subprocess
import sys
from pathlib import Path

SAYS = """
import sys, time
from pathlib import Path
from neural_hive_ml.streams.reader_name import reader_name

print("name:", reader_name(Path(sys.argv[1])), flush=True)
time.sleep(600)
"""


def started(folder: Path) -> tuple["subprocess.Popen[str]", str]:
    process = subprocess.Popen([sys.executable, "-c", SAYS, str(folder)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    said = []
    while not said or not said[-1].startswith("name: "):
        said.append(process.stdout.readline())
        assert said[-1], "it ended without a name"
    return process, said[-1].removeprefix("name: ").strip()


def test_a_killed_reader_is_succeeded_and_a_living_one_is_not(tmp_path: Path) -> None:
    first, name = started(tmp_path)
    second, other = started(tmp_path)
    third = None
    try:
        assert name != other
        first.kill()
        first.wait()
        third, again = started(tmp_path)
        assert again == name
    finally:
        for process in filter(None, (first, second, third)):
            process.kill()
            process.wait()


def test_folders_do_not_share_names(tmp_path: Path) -> None:
    one, name = started(tmp_path / "one")
    two, other = started(tmp_path / "two")
    for process in (one, two):
        process.kill()
        process.wait()
    assert name != other


def test_where_nothing_can_be_written_the_process_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    process, name = started(tmp_path / "file" / "below")
    process.kill()
    process.wait()
    assert name.endswith(f"-p{process.pid}")
