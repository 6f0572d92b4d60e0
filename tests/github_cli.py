"""What stands in for GitHub where tests run the workflows? `gh api`, over items in a file."""

import json
import os
import re
import sys
from pathlib import Path
from typing import Any

_, _, _, method, path, *_ = sys.argv
file = Path(os.environ["TEST_GITHUB"])
store: dict[str, Any] = json.loads(file.read_text()) if file.exists() else {"written": []}
path = path.removeprefix("repos/OWNER/REPOSITORY/")
if method == "GET":
    listed, _, query = path.partition("?")
    items = [
        item
        for item in store["written"]
        if item["in"] == listed and ("state=open" not in query or item["state"] == "open")
    ]
    # Two pages, as if one were full.
    sys.stdout.write(json.dumps([items[:1], items[1:]]))
    sys.exit()
fields = json.loads(sys.stdin.read())
if len(fields.get("body", "")) > 65_536:
    sys.exit("gh: Validation Failed (HTTP 422): body is too long (maximum is 65536 characters)")
if method == "POST":
    number = len(store["written"]) + 1
    item = {"in": path, "id": number, "number": number, "state": "open", "edited": 0}
    store["written"].append({**item, "user": {"login": "github-actions[bot]"}, **fields})
else:
    match = re.fullmatch(r"issues/(?:comments/)?(\d+)", path)
    item = store["written"][int(match.group(1) if match else 0) - 1]
    item.update(fields, edited=item["edited"] + 1)
file.write_text(json.dumps(store))
sys.stdout.write("{}")
