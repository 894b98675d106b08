"""The Yale faces cut to the face, so that eyes and mouths lie at about the same place in every picture.

    python benchmarks/crop_faces.py --yale=pattern_recognition --out=yale_faces

Writes every picture under its own name: a square around the largest box of OpenCV's frontal face cascade (the extra
`faces`). Where the cascade finds nothing, as in light from one side, the square is the middle one of the same person's
other pictures. No picture is left out. Prints how many were found.
"""

import argparse
import os
import pathlib
import statistics

import cv2
import cv2.data
import PIL.Image
from reverie.paths import walk
from reverie.pipelines.picture import read_picture
from reverie.pipelines.sources.yale import parse_name

# The cascade's box ends at brows and mouth; this much of its side is kept in all.
MARGIN = 1.2


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--yale", required=True, help="folder with subjectNN.condition below it")
    parser.add_argument("--out", required=True)
    options = parser.parse_args()
    cascade = cv2.CascadeClassifier(cv2.data.haarcascades + "haarcascade_frontalface_default.xml")
    pictures, boxes = {}, {}
    for file in walk(options.yale).files:
        name = parse_name(os.path.basename(file))
        if name:
            gray = read_picture(os.path.join(options.yale, file), 1).pixels[..., 0]
            pictures[file] = name, gray
            found = cascade.detectMultiScale(gray, 1.05, 4, minSize=(60, 60))
            if len(found):
                left, top, side, _ = max(found.tolist(), key=lambda box: box[2])
                boxes.setdefault(name.subject, {})[file] = left + side / 2, top + side / 2, side
    out = pathlib.Path(options.out)
    out.mkdir(parents=True, exist_ok=True)
    for file, (name, gray) in pictures.items():
        of_person = boxes[name.subject]
        middle = [statistics.median(values) for values in zip(*of_person.values(), strict=True)]
        x, y, _ = of_person.get(file, middle)
        # One size a person: the cascade's varies by a few pixels from picture to picture.
        half = MARGIN * middle[2] / 2
        square = tuple(round(edge) for edge in (x - half, y - half, x + half, y + half))
        PIL.Image.fromarray(gray).crop(square).save(out / os.path.basename(file), "PNG")
    print(f"{len(pictures)} pictures, a face found in {sum(len(found) for found in boxes.values())} of them: {out}")


if __name__ == "__main__":
    main()
