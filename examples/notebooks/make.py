"""Make the notebooks from their sources: ``python make.py`` writes NAME.ipynb for each NAME.py beside it, without outputs.

A source is Python in cells: "# %%" begins a cell of code, "# %% [markdown]" one of text, whose lines are comments.
"""

import re
from pathlib import Path

import nbformat
from nbformat import v4

FOLDER = Path(__file__).parent
SOURCES = sorted(path for path in FOLDER.glob("*.py") if path.name != Path(__file__).name)


def notebook(source: str) -> nbformat.NotebookNode:
    """The notebook of a source, the same each time."""
    cells = []
    for index, part in enumerate(re.split(r"^# %%", source, flags=re.MULTILINE)[1:]):
        kind, _, body = part.partition("\n")
        if "[markdown]" in kind:
            made = v4.new_markdown_cell(re.sub(r"^# ?", "", body.strip(), flags=re.MULTILINE))
        else:
            made = v4.new_code_cell(body.strip())
        made["id"] = f"cell-{index}"
        cells.append(made)
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    return v4.new_notebook(cells=cells, metadata={"kernelspec": kernel, "language_info": {"name": "python"}})


def text_of(path: Path) -> str:
    """What belongs in the file of a source's notebook."""
    return nbformat.writes(notebook(path.read_text()), indent=1) + "\n"


if __name__ == "__main__":
    for path in SOURCES:
        path.with_suffix(".ipynb").write_text(text_of(path))
        print(path.with_suffix(".ipynb"))
