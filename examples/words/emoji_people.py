"""A table of words for emoji people: tone x gender x role, a row a picture.

    npm pack emoji-datasource-google@16.0.0
    tar xzf emoji-datasource-google-16.0.0.tgz
    python examples/words/emoji_people.py package

writes package/img/google/64/people.csv. Every combination has one picture; one combination in ten is for testing, one
for validation, and no training picture shows it. How to learn from it: docs/words.md.
"""

import csv
import json
import pathlib
import sys

TONES = {"1F3FB": "light", "1F3FC": "medium_light", "1F3FD": "medium", "1F3FE": "medium_dark", "1F3FF": "dark"}
# What the names of people begin with.
GENDERS = {"WOMAN ": "woman", "MAN ": "man"}
# Head and shoulders; other kinds run, sit or swim.
KINDS = ("person-role", "person-gesture", "person-fantasy")


def people(emoji: list) -> list:
    """(role, gender, tone, file) of all people of whom there is a woman and a man, in every tone."""
    found: dict = {}
    for entry in emoji:
        if entry["subcategory"] not in KINDS or not entry["has_img_google"]:
            continue
        for begin, gender in GENDERS.items():
            if entry["name"].startswith(begin):
                role = entry["name"].removeprefix(begin).lower().replace(" ", "_")
                tones = entry.get("skin_variations", {})
                files = {TONES[code]: one["image"] for code, one in tones.items() if code in TONES}
                found.setdefault(role, {})[gender] = files
    whole = {
        role: of
        for role, of in found.items()
        if set(of) == set(GENDERS.values()) and all(len(files) == len(TONES) for files in of.values())
    }
    return [
        (role, gender, tone, whole[role][gender][tone])
        for role in sorted(whole)
        for gender in GENDERS.values()
        for tone in TONES.values()
    ]


def main(package: pathlib.Path) -> None:
    rows = people(json.loads((package / "emoji.json").read_text()))
    path = package / "img" / "google" / "64" / "people.csv"
    splits = {0: "test", 5: "validation"}
    with path.open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["file", "split", "tone", "gender", "role"])
        for number, (role, gender, tone, image) in enumerate(rows):
            # Every role is left out once in one gender and tone, and tones take turns.
            place = (number + number // 10) % 10
            table.writerow([image, splits.get(place, "train"), tone, gender, role])
    print(f"{path}: {len(rows)} people, {len(rows) // 10} roles")


if __name__ == "__main__":
    if len(sys.argv) != 2 or not (pathlib.Path(sys.argv[1]) / "emoji.json").is_file():
        sys.exit("expected one folder: the unpacked npm package emoji-datasource-google, which holds emoji.json")
    main(pathlib.Path(sys.argv[1]))
