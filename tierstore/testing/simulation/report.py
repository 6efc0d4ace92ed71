"""What a failing run leaves behind: a folder from which it can be read, and played again."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from tierstore.testing.simulation import script_json, story, timeline

if TYPE_CHECKING:
    from tierstore.testing.simulation.run import Run
    from tierstore.testing.simulation.script import Script

OPTIONS = "options.json"
HISTORY = "history.jsonl"
STORY = "story.txt"
TIMELINE = "timeline.html"
ORIGINAL = "original.json"
DUMPS = "dumps"


def write_report(folder: str | Path, run: Run, original: Script | None = None) -> Path:
    """Write all that is known of `run`, which was played to be told, into `folder`.

    `original` is the script that the run's was shrunk from, if it was. Returns the folder, which
    is made if there is none. Raises OSError if it cannot be written.
    """
    path = Path(folder)
    (path / DUMPS).mkdir(parents=True, exist_ok=True)
    texts = {
        OPTIONS: script_json.dumps(run.script),
        HISTORY: run.history.dumps(),
        STORY: story.tell(run),
        TIMELINE: timeline.render(run),
        **{f"{DUMPS}/{name}.txt": f"{text}\n" for name, text in run.dumps.items()},
    }
    if original is not None:
        texts[ORIGINAL] = script_json.dumps(original)
    for name, text in texts.items():
        (path / name).write_text(text, encoding="utf-8", newline="\n")
    return path
