"""Asks TensorFlow Serving for pictures of a class: python rest_client.py http://localhost:8501 xcov 7"""

import json
import sys
import urllib.request

host, name, label = sys.argv[1:]
inputs = {"seeds": [[1, number] for number in range(4)], "label": [int(label)] * 4}
body = json.dumps({"signature_name": "generate_each", "inputs": inputs}).encode()
with urllib.request.urlopen(f"{host}/v1/models/{name}:predict", body, timeout=30) as answer:
    images = json.load(answer)["outputs"]["images"]
print(f"{len(images)} pictures of {len(images[0])} x {len(images[0][0])} pixels of class {label}")
